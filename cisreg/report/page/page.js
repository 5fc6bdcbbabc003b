"use strict";
// Sorts, filters and exports tables. Without it they are shown as they are.
for (const box of document.querySelectorAll("[data-table]")) {
  const table = box.querySelector("table");
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const rows = [...body.rows];
  const tools = box.querySelector(".tools");
  const search = box.querySelector("input");
  const choice = box.querySelector("select");
  const count = box.querySelector("output");
  const value = (row, column) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();

  const show = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const text = row.dataset.search;
      const checks = row.dataset.checks.split("|");
      const fits = words.every((word) => text.includes(word)) &&
        (!choice.value || (choice.value === "*" ? checks[0] !== "" : checks.includes(choice.value)));
      row.hidden = !fits;
      shown += fits;
    }
    count.textContent = `${shown} of ${rows.length} factors`;
  };

  const sort = (column, down) => {
    const numbers = heads[column].dataset.kind === "number";
    const order = (first, second) => {
      const [a, b] = [value(first, column), value(second, column)];
      // What is missing comes last in both directions.
      if (a === "" || b === "") return (a === "") - (b === "");
      const sign = numbers ? Number(a) - Number(b) : a.localeCompare(b, "en", { numeric: true });
      return down ? -sign : sign;
    };
    rows.sort(order);
    body.append(...rows);
    heads.forEach((head, place) => {
      if (head.querySelector("button")) {
        head.setAttribute("aria-sort", place === column ? (down ? "descending" : "ascending") : "none");
      }
    });
  };

  heads.forEach((head, column) => {
    const button = head.querySelector("button");
    if (!button) return;
    button.addEventListener("click", () => {
      const now = head.getAttribute("aria-sort");
      // The largest numbers first, and names from A on.
      const down = now === "none" ? head.dataset.kind === "number" : now === "ascending";
      sort(column, down);
    });
  });

  const quoted = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  // A spreadsheet would take a name that begins so for a formula.
  const cell = (row, head, place) => {
    const text = value(row, place);
    return quoted(head.dataset.kind === "text" && /^[=+\-@]/.test(text) ? `'${text}` : text);
  };
  const csv = () => {
    const columns = heads.map((head, place) => [head, place]).filter(([head]) => head.dataset.name);
    const lines = [columns.map(([head]) => quoted(head.dataset.name)).join(",")];
    for (const row of rows.filter((each) => !each.hidden)) {
      lines.push(columns.map(([head, place]) => cell(row, head, place)).join(","));
    }
    return lines.join("\r\n") + "\r\n";
  };
  box.querySelector("button[data-csv]").addEventListener("click", () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([csv()], { type: "text/csv" }));
    link.download = "factors.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });

  search.addEventListener("input", show);
  choice.addEventListener("change", show);
  tools.hidden = false;
  show();
}
