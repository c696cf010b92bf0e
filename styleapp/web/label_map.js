// A map of labels, one byte a pixel, and what can be painted into it: whole pixels, so that no colours ever mix.
class LabelMap {
  constructor(width, height, labels) {
    Object.assign(this, { width, height, labels });
  }

  // "4x2 0:3 7:5": its size, then labels and how many pixels in a row have them
  static decode(text) {
    const [size, ...runs] = text.split(" ");
    const [width, height] = size.split("x").map(Number);
    const labels = new Uint8Array(width * height);
    let at = 0;
    for (const run of runs) {
      const [label, count] = run.split(":").map(Number);
      labels.fill(label, at, (at += count));
    }
    return new LabelMap(width, height, labels);
  }

  encode() {
    const { labels } = this, parts = [`${this.width}x${this.height}`];
    for (let start = 0, end; start < labels.length; start = end) {
      end = start + 1;
      while (end < labels.length && labels[end] === labels[start]) end++;
      parts.push(`${labels[start]}:${end - start}`);
    }
    return parts.join(" ");
  }

  copy() {
    return new LabelMap(this.width, this.height, this.labels.slice());
  }

  equals(other) {
    return other.labels.length === this.labels.length && other.labels.every((label, at) => label === this.labels[at]);
  }

  at({ x, y }) {
    const column = Math.floor(x), row = Math.floor(y);
    const inside = column >= 0 && row >= 0 && column < this.width && row < this.height;
    return inside ? row * this.width + column : -1;
  }

  // a line with round ends; `ink` is a label, or another map of which to take what is there
  stroke(from, to, diameter, ink) {
    const reach = Math.max(0.5, diameter / 2), dx = to.x - from.x, dy = to.y - from.y, length = dx * dx + dy * dy;
    const put = at => (this.labels[at] = ink instanceof LabelMap ? ink.labels[at] : ink);
    this.inside(Math.min(from.x, to.x) - reach, Math.min(from.y, to.y) - reach,
      Math.max(from.x, to.x) + reach, Math.max(from.y, to.y) + reach, (at, column, row) => {
        const x = column + 0.5 - from.x, y = row + 0.5 - from.y;
        const along = length ? Math.min(1, Math.max(0, (x * dx + y * dy) / length)) : 0;
        if ((x - along * dx) ** 2 + (y - along * dy) ** 2 <= reach * reach) put(at);
      });
    if (this.at(to) >= 0) put(this.at(to));
  }

  rectangle(from, to, label) {
    const left = Math.min(from.x, to.x), right = Math.max(from.x, to.x);
    const top = Math.min(from.y, to.y), bottom = Math.max(from.y, to.y);
    this.inside(left, top, right, bottom, at => (this.labels[at] = label));
  }

  // all pixels that touch this window
  inside(left, top, right, bottom, visit) {
    const columns = [Math.max(0, Math.floor(left)), Math.min(this.width - 1, Math.floor(right))];
    const rows = [Math.max(0, Math.floor(top)), Math.min(this.height - 1, Math.floor(bottom))];
    for (let row = rows[0]; row <= rows[1]; row++) {
      for (let column = columns[0]; column <= columns[1]; column++) visit(row * this.width + column, column, row);
    }
  }

  // the connected area of one label around a point
  fill(point, label) {
    const { labels, width } = this, start = this.at(point);
    if (start < 0 || labels[start] === label) return;
    const old = labels[start], waiting = [start];
    while (waiting.length) {
      const at = waiting.pop();
      if (labels[at] !== old) continue;
      labels[at] = label;
      const column = at % width;
      if (column > 0) waiting.push(at - 1);
      if (column < width - 1) waiting.push(at + 1);
      if (at >= width) waiting.push(at - width);
      if (at + width < labels.length) waiting.push(at + width);
    }
  }

  clear(label) {
    this.labels.fill(label);
  }

  // left becomes right
  flip() {
    for (let row = 0; row < this.height; row++) {
      this.labels.subarray(row * this.width, (row + 1) * this.width).reverse();
    }
  }

  // the right half becomes the left one's reflection
  mirror() {
    for (let row = 0; row < this.height; row++) {
      const line = this.labels.subarray(row * this.width, (row + 1) * this.width);
      for (let column = 0; column < this.width >> 1; column++) line[this.width - 1 - column] = line[column];
    }
  }
}
