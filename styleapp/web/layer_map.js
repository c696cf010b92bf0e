// The table of layers of the tab Lab. Gradio gives: element, trigger, props, watch.
const table = element.querySelector("table");
let shown = { groups: [], now: {}, chosen: [], stamp: "" }, chosen = new Set();

const made = (parent, tag, words = "", kind = "") => {
  const child = parent.appendChild(document.createElement(tag));
  child.textContent = words;
  if (kind) child.className = kind;
  return child;
};

const box = (cell, words, names) => {
  const input = made(cell, "input");
  const ticked = names.filter(name => chosen.has(name)).length;
  Object.assign(input, { type: "checkbox", checked: ticked === names.length, title: words, ariaLabel: words });
  input.indeterminate = ticked > 0 && ticked < names.length;
  input.addEventListener("change", () => {
    for (const name of names) input.checked ? chosen.add(name) : chosen.delete(name);
    draw();
    props.value = { ...shown, chosen: [...chosen] };
    trigger("input");
  });
};

const drawGroup = ({ title, rows }) => {
  const body = made(table, "tbody"), head = made(body, "tr", "", "head"), names = rows.map(row => row.name);
  box(made(head, "th"), `All: ${title.toLowerCase()}`, names);
  const words = made(head, "th", `${title} (${rows.length})`);
  words.colSpan = 2;
  for (const { name, shape, what } of rows) {
    const line = made(body, "tr", "", name in shown.now ? "switched" : "");
    line.dataset.layer = name;
    box(made(line, "td"), `Switch ${name}`, [name]);
    const layer = made(line, "td", name, "name"), cell = made(line, "td", "", "what");
    what.forEach(({ words, page }, place) => {
      if (place) cell.append(" × ");
      page ? (made(cell, "a", words).href = page) : cell.append(words);
    });
    made(layer, "div", shape, "shape");
    if (name in shown.now) made(cell, "div", shown.now[name], "now");
  }
};

const draw = () => {
  const focused = document.activeElement?.title, inside = element.contains(document.activeElement);
  table.replaceChildren();
  shown.groups.filter(group => group.rows.length).forEach(drawGroup);
  if (inside) [...table.querySelectorAll("input")].find(input => input.title === focused)?.focus();
};

const adopt = value => {
  if (!value?.groups) return;
  const news = value.stamp !== shown.stamp;
  if (news) chosen = new Set(value.chosen);
  shown = value;
  draw();
  const same = value.chosen.length === chosen.size && value.chosen.every(name => chosen.has(name));
  if (!same) props.value = { ...value, chosen: [...chosen] }; // ticked since the server was asked
};

watch("value", () => adopt(props.value));
adopt(props.value);
