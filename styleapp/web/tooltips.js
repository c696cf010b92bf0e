(() => {
  const tips = TIPS;
  const apply = () => {
    for (const [id, text] of Object.entries(tips)) {
      const element = document.getElementById(id);
      if (element && element.title !== text) element.title = text;
    }
    for (const picture of document.querySelectorAll(".samples button:not([aria-label]) img")) {
      const words = decodeURIComponent(picture.src).split("/").pop().replace(/\.\w+$/, "").replaceAll("_", " ");
      picture.closest("button").ariaLabel = picture.closest("button").title = `Try “${words}”`;
    }
  };
  new MutationObserver(apply).observe(document.documentElement, { childList: true, subtree: true });
  apply();
})();
