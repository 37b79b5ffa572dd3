// <a data-fill='{"field": "value"}'> fills the form beside it instead of loading the page again.
document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-fill]");
  if (!link) return;
  const form = document.querySelector("form.form-card");
  for (const [name, value] of Object.entries(JSON.parse(link.dataset.fill))) {
    const field = form.elements.namedItem(name);
    if (!field) return;
    field.value = value;
    field.dispatchEvent(new Event("change", { bubbles: true }));
  }
  event.preventDefault();
  form.elements.namedItem("name").focus();
});
