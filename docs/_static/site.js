// What the theme leaves out for those who listen to a page, or use it by keyboard.
document.addEventListener("DOMContentLoaded", () => {
  for (const button of document.querySelectorAll(".search-button-field"))
    button.setAttribute("aria-label", "Search Ctrl+K");
  for (const summary of document.querySelectorAll("nav summary")) {
    const link = summary.closest("li")?.querySelector("a");
    if (link && !summary.textContent.trim())
      summary.setAttribute("aria-label", `Pages of ${link.textContent.trim()}`);
  }
  // a list may hold list items only, and these hold links back as well
  for (const list of document.querySelectorAll("[role=list].citation-list")) {
    list.removeAttribute("role");
    for (const item of list.querySelectorAll("[role=doc-biblioentry]"))
      item.removeAttribute("role");
  }
});
