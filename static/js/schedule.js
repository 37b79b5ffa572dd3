// A new form's time zone is the reader's own, if the list has it.
const zones = document.querySelector('form.form-card select[name="time_zone"]');
if (zones && zones.value === "UTC" && !document.querySelector(".is-invalid")) {
  const mine = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if ([...zones.options].some((option) => option.value === mine)) zones.value = mine;
}
