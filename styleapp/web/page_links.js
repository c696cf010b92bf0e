// Links to pages of the catalogue, wherever they stand. Gradio gives: trigger, props.
document.addEventListener("click", event => {
  const link = event.target.closest?.('a[href^="#norm-"]');
  if (!link) return;
  event.preventDefault();
  props.value = link.hash.slice("#norm-".length);
  trigger("input");
});
