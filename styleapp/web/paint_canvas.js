// The canvas of the tab Paint. Gradio gives: element, trigger, props, watch; LabelMap is in label_map.js.
const UNLABELLED = 255, REMEMBERED = 60;
const LIVE_AFTER = 80, SETTLED_AFTER = 1200; // milliseconds after the last change
const find = selector => element.querySelector(selector);
const canvas = find("canvas"), context = canvas.getContext("2d"), ring = find(".ring"), size = find(".size");

let network, legend = [], map, start; // start: the map that the eraser brings back
let label = 0, tool = "brush", diameter = 0.06; // diameter: as a share of the map's longer side
let past = [], future = [], gesture = null, timers = [], dirty = false;

// what is shown

const image = () => {
  const pixels = context.createImageData(map.width, map.height), words = new Uint32Array(pixels.data.buffer);
  const colours = new Uint32Array(256);
  for (const { index, colour } of legend) {
    if (colour) colours[index] = (0xff000000 | parseInt(colour.slice(5, 7) + colour.slice(3, 5) + colour.slice(1, 3), 16)) >>> 0;
  }
  map.labels.forEach((one, at) => {
    const chequered = ((at % map.width) >> 3) + (Math.floor(at / map.width) >> 3) & 1 ? 0xffe4e4e4 : 0xffc4c4c4;
    words[at] = one === UNLABELLED ? chequered : colours[one];
  });
  return pixels;
};

const draw = () => {
  if (dirty) return;
  dirty = true;
  requestAnimationFrame(() => {
    dirty = false;
    if (!map) return;
    if (canvas.width !== map.width || canvas.height !== map.height) {
      Object.assign(canvas, { width: map.width, height: map.height });
      canvas.style.aspectRatio = `${map.width} / ${map.height}`;
    }
    context.putImageData(image(), 0, 0);
  });
};

const named = index => legend.find(entry => entry.index === index)?.name ?? "";

const showState = () => {
  for (const button of element.querySelectorAll("[data-tool]")) {
    button.setAttribute("aria-pressed", button.dataset.tool === tool);
  }
  for (const button of element.querySelectorAll("[data-label]")) {
    button.setAttribute("aria-checked", +button.dataset.label === label);
  }
  find("[data-do=undo]").disabled = !past.length;
  find("[data-do=redo]").disabled = !future.length;
  find("[data-do=clear] span").textContent = `Clear to ${named(label)}`;
  find("[data-do=clear]").disabled = label === UNLABELLED;
  size.disabled = tool === "fill" || tool === "rectangle";
  canvas.dataset.cursor = tool;
};

const showLegend = () => {
  find(".legend").replaceChildren(...legend.map(({ index, name, colour }) => {
    const button = document.createElement("button"), swatch = document.createElement("i");
    Object.assign(button, { type: "button", title: `Paint “${name}”` });
    Object.assign(button.dataset, { label: index });
    button.setAttribute("role", "radio");
    if (colour) swatch.style.background = colour;
    button.append(swatch, name);
    button.onclick = () => choose(index);
    return button;
  }));
};

const showRing = (point, event) => {
  const brush = (tool === "brush" || tool === "eraser") && event.pointerType !== "touch";
  ring.hidden = !brush;
  if (brush) {
    const scale = canvas.clientWidth / map.width, pixels = Math.max(1, width()) * scale;
    ring.style.cssText = `width:${pixels}px;height:${pixels}px;left:${point.x * scale}px;top:${point.y * scale}px`;
  }
  const at = map.at(point);
  find(".under").textContent = at < 0 ? "" : named(map.labels[at]);
};

const choose = index => {
  label = index;
  if (tool === "eraser") tool = "brush";
  showState();
};

// what is told

const later = (event, delay) => setTimeout(() => trigger(event), delay);

const tell = () => {
  timers.forEach(clearTimeout);
  props.value = { network, legend, map: map.encode() };
  timers = [later("input", LIVE_AFTER), later("settled", SETTLED_AFTER)];
};

// what is changed

const remember = before => {
  past = [...past.slice(1 - REMEMBERED), before];
  future = [];
};

const change = how => {
  if (!map || gesture) return;
  const before = { map: map.copy(), start };
  how();
  finish(before);
};

const finish = before => {
  if (before.map.width !== map.width || !before.map.equals(map)) {
    remember(before);
    tell();
  }
  draw();
  showState();
};

const travel = (from, to) => {
  if (!from.length || gesture) return;
  to.push({ map, start });
  ({ map, start } = from.pop());
  draw();
  showState();
  tell();
};

const actions = {
  undo: () => travel(past, future),
  redo: () => travel(future, past),
  flip: () => change(() => map.flip()),
  mirror: () => change(() => map.mirror()),
  clear: () => change(() => {
    map.clear(label);
    start = map.copy();
  }),
};

const width = () => Math.round(diameter * Math.max(map.width, map.height));

const pointOf = event => {
  const box = canvas.getBoundingClientRect();
  return {
    x: ((event.clientX - box.left) * map.width) / box.width,
    y: ((event.clientY - box.top) * map.height) / box.height,
  };
};

const paint = (from, to) => {
  if (tool === "rectangle") {
    map.labels.set(gesture.before.map.labels);
    map.rectangle(gesture.from, to, label);
  } else if (tool === "fill") {
    map.fill(to, label);
  } else {
    map.stroke(from, to, width(), tool === "eraser" ? start : label);
  }
  draw();
};

canvas.onpointerdown = event => {
  if (!map || gesture) return;
  if (event.button === 2 || event.altKey) {
    const at = map.at(pointOf(event));
    if (at >= 0) choose(map.labels[at]);
    return;
  }
  if (event.button !== 0) return;
  canvas.setPointerCapture(event.pointerId);
  const point = pointOf(event);
  gesture = { id: event.pointerId, from: point, last: point, before: { map: map.copy(), start } };
  paint(point, point);
};

canvas.onpointermove = event => {
  if (!map) return;
  if (gesture?.id === event.pointerId && tool !== "fill") {
    const steps = event.getCoalescedEvents?.() ?? [];
    for (const step of steps.length ? steps : [event]) {
      const point = pointOf(step);
      paint(gesture.last, point);
      gesture.last = point;
    }
  }
  showRing(pointOf(event), event);
};

canvas.onpointerup = event => {
  if (gesture?.id !== event.pointerId) return;
  const { before } = gesture;
  gesture = null;
  finish(before);
};

canvas.onpointercancel = event => {
  if (gesture?.id !== event.pointerId) return;
  map.labels.set(gesture.before.map.labels); // a second finger came: it is no stroke
  gesture = null;
  draw();
};

canvas.onpointerleave = () => {
  ring.hidden = true;
  find(".under").textContent = "";
};
canvas.oncontextmenu = event => event.preventDefault();

for (const button of element.querySelectorAll("[data-tool]")) {
  button.onclick = () => {
    tool = button.dataset.tool;
    showState();
  };
}
for (const button of element.querySelectorAll("[data-do]")) button.onclick = actions[button.dataset.do];
size.oninput = () => (diameter = size.value / 100);

const KEYS = { b: "brush", e: "eraser", f: "fill", r: "rectangle" };
const typing = target => target.closest?.("input:not([type=range]), textarea, select, [contenteditable]");

document.addEventListener("keydown", event => {
  if (!element.offsetParent || typing(event.target)) return; // another tab is shown, or words are typed
  const key = event.key.toLowerCase();
  if (event.ctrlKey || event.metaKey) {
    const wanted = key === "y" || (key === "z" && event.shiftKey) ? "redo" : key === "z" ? "undo" : null;
    if (wanted) event.preventDefault(), actions[wanted]();
  } else if (KEYS[key] && !event.altKey && !gesture) {
    tool = KEYS[key];
    showState();
  }
});

// what comes from the server

const adopt = value => {
  if (!value?.map || (value.network === network && value.map === map.encode())) return;
  const before = map && value.network === network ? { map, start } : null;
  if (!before) {
    past = [];
    future = [];
    label = value.legend[Math.min(1, value.legend.length - 1)].index;
  }
  ({ network, legend } = value);
  map = LabelMap.decode(value.map);
  start = map.copy();
  gesture = null;
  if (before) remember(before);
  else showLegend();
  draw();
  showState();
  tell();
};

watch("value", () => adopt(props.value));
adopt(props.value);
