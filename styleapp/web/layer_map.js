// The table of layers of the tab Lab. Gradio gives: element, trigger, props, watch.
const table = element.querySelector("table");
let shown = { groups: [], now: {}, chosen: [] }, chosen = new Set();

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
    for (const { words, page } of what) page ? (made(cell, "a", words).href = page) : cell.append(words);
    made(layer, "div", shape, "shape");
    if (name in shown.now) made(cell, "div", shown.now[name], "now");
  }
};

const draw = () => {
  const inside = element.contains(document.activeElement);
  const places = () => [...table.querySelectorAll("input, a")], focused = places().indexOf(document.activeElement);
  table.replaceChildren();
  shown.groups.filter(group => group.rows.length).forEach(drawGroup);
  if (inside) places()[focused]?.focus();
};

const adopt = value => {
  if (!value?.groups) return;
  if (value.answer && shown.groups.length) { // what was ticked or chosen since the server was asked stays
    const same = JSON.stringify(value.groups) === JSON.stringify(shown.groups);
    if (same) shown = { ...shown, now: value.now };
    props.value = { ...shown, chosen: [...chosen] };
  } else {
    shown = { ...value, answer: false };
    chosen = new Set(value.chosen);
  }
  draw();
};

watch("value", () => adopt(props.value));
adopt(props.value);
