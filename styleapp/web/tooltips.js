(() => {
  const tips = TIPS;
  const marked = new WeakMap(); // which picture each gallery marked when last seen
  const name = (button, words) => {
    if (button.title !== words) button.ariaLabel = button.title = words;
  };
  const intoView = tile => {
    const frame = tile.closest(".grid-wrap"), view = frame.getBoundingClientRect();
    const box = tile.getBoundingClientRect();
    frame.scrollTop += Math.max(0, box.bottom - view.bottom) - Math.max(0, view.top - box.top);
  };
  const apply = () => {
    for (const [id, text] of Object.entries(tips)) {
      const element = document.getElementById(id);
      if (element && element.title !== text) element.title = text;
    }
    for (const picture of document.querySelectorAll(".samples button:not([aria-label]) img")) {
      const words = decodeURIComponent(picture.src).split("/").pop().replace(/\.\w+$/, "").replaceAll("_", " ");
      name(picture.closest("button"), `Try “${words}”`);
    }
    for (const picture of document.querySelectorAll(".tiles .thumbnail-item img")) {
      name(picture.closest("button"), picture.alt);
    }
    for (const tile of document.querySelectorAll(".tiles .thumbnail-item.selected")) {
      const gallery = tile.closest(".tiles");
      if (marked.get(gallery) !== tile.title) intoView(tile);
      marked.set(gallery, tile.title);
    }
  };
  const changes = { childList: true, subtree: true, attributes: true, attributeFilter: ["class"] };
  new MutationObserver(apply).observe(document.documentElement, changes);
  apply();
})();
