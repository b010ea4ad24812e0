// What Sphinx and Furo leave to the keyboard and to screen readers: the level of the headings in the
// sidebar, what either sidebar is, and a way to scroll what is wider than its place.
addEventListener("DOMContentLoaded", () => {
  for (const heading of document.querySelectorAll(".caption[role=heading]")) {
    heading.setAttribute("aria-level", "2");
  }
  document.querySelector("aside.sidebar-drawer")?.setAttribute("aria-label", "Pages");
  document.querySelector("aside.toc-drawer")?.setAttribute("aria-label", "On this page");
  for (const wide of document.querySelectorAll("pre, .table-wrapper")) {
    if (wide.scrollWidth > wide.clientWidth) {
      wide.tabIndex = 0;
    }
  }
});
