(() => {
  // Findings by severity, by field and by words, all at once.
  const items = [...document.querySelectorAll(".finding")];
  const [severity, about, find] = ["severity", "about", "find"].map((id) => document.getElementById(id));
  const shown = document.getElementById("shown");
  const choose = () => {
    const words = find.value.trim().toLowerCase();
    let count = 0;
    items.forEach((item) => {
      item.hidden = Boolean((severity.value && item.dataset.severity !== severity.value)
        || (about?.value && item.dataset.field !== about.value)
        || (words && !item.textContent.toLowerCase().includes(words)));
      count += !item.hidden;
    });
    document.querySelector("#findings .nothing").hidden = count > 0;
    shown.textContent = count === items.length ? "" : `${count} of ${items.length} shown`;
  };
  if (items.length) {
    [severity, about, find].forEach((one) => one?.addEventListener("input", choose));
    document.querySelectorAll("[data-pick]").forEach((link) => link.addEventListener("click", () => {
      severity.value = find.value = "";
      if (about) about.value = link.dataset.pick;
      choose();
    }));
    choose();
  }

  // A step for the clipboard; where the browser refuses it, the text is selected.
  document.querySelectorAll("[data-copy]").forEach((button) => button.addEventListener("click", async () => {
    const text = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(text.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(text);
      button.textContent = "Selected";
    }
  }));
})();
