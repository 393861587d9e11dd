// The look that was chosen, if any; ui/theme.ts writes it.
(() => {
  try {
    const theme = localStorage.getItem("mixdown.theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch {
    // Storage is switched off: the system's look it is.
  }
})();
