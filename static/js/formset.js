// [data-formset] holds rows of a Django formset; its button adds one here instead of asking the server.
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-formset-add]");
  if (!button) return;
  const formset = button.closest("[data-formset]");
  const total = formset.querySelector(`[name="${formset.dataset.formset}-TOTAL_FORMS"]`);
  const empty = formset.querySelector("[data-formset-empty]");
  const holder = document.createElement("template");
  holder.innerHTML = empty.innerHTML.replaceAll("__prefix__", total.value);
  const row = holder.content.firstElementChild;
  formset.querySelector("[data-formset-rows]").append(row);
  total.value = Number(total.value) + 1;
  row.querySelector("input").focus();
  event.preventDefault();
});
