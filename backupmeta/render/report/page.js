"use strict";

// The tables of a report: sorted, filtered, searched and paged in the reader's browser. Whatever came from evidence
// becomes a text node; nothing is ever parsed as markup.

const report = (() => {
  const ROWS_OF_A_PAGE = 50;
  const ROWS_ON_PAPER = 1000;
  const MOST_CHOICES = 500;
  const TEXTS = new Set(["text", "code", "word", "version"]);
  const SEVERITIES = ["error", "warning", "note"];

  const { texts, versions, tables: told } = JSON.parse(document.getElementById("content").textContent);
  const ranks = new Map(versions.map((text, rank) => [text, rank]));
  const tables = new Map();
  const listeners = [];

  // ---- words

  const number = new Intl.NumberFormat("en");

  /** Unix seconds as "2024-06-13 20:55:21"; digits, where no calendar has them. */
  function moment(seconds) {
    const time = new Date(seconds * 1000);
    const year = time.getTime() ? time.getUTCFullYear() : seconds === 0 ? 1970 : NaN;
    return year >= 1 && year <= 9999 ? time.toISOString().slice(0, 19).replace("T", " ") : String(seconds);
  }

  /** So many bytes as "6.3 kB". */
  function size(bytes) {
    const units = ["bytes", "kB", "MB", "GB", "TB", "PB"];
    let rest = bytes;
    let unit = 0;
    for (; rest >= 1000 && unit < units.length - 1; unit += 1) rest /= 1000;
    return unit ? `${rest.toFixed(1)} ${units[unit]}` : `${number.format(bytes)} bytes`;
  }

  function counted(count, word) {
    return `${number.format(count)} ${word}${count === 1 ? "" : "s"}`;
  }

  // ---- elements

  /** An element with attributes; its children are elements, or texts that stay texts. */
  function element(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  }

  /** A text whose lines break after the separators of paths; it is copied as it is. */
  function breakable(text) {
    if (!/[/\\_]/.test(text)) return [text];
    return text.split(/(?<=[^\s:/\\][/\\_])(?=[^/\\_])/).flatMap((part, place) => (place ? [element("wbr"), part] : [part]));
  }

  function code(text) {
    return element("code", {}, ...breakable(text));
  }

  const SHOW = {
    text: (column, row) => element("span", {}, ...breakable(texts[column.cells[row]])),
    version: (column, row) => texts[column.cells[row]],
    code: (column, row) => code(texts[column.cells[row]]),
    word: (column, row) => element("span", { class: `word ${wordClass(texts[column.cells[row]])}` }, texts[column.cells[row]]),
    time: (column, row) => element("span", { class: "time" }, moment(column.cells[row])),
    bytes: (column, row) => size(column.cells[row]),
    count: (column, row) => number.format(column.cells[row]),
    link: (column, row) => linkTo(tables.get(column.target), column.cells[row]),
    tally: (column, row, table) => tally(table, row),
    places: (column, row) => places(column.cells[row]),
  };

  /** The class of a word that is known; a status can be any finding's id. */
  function wordClass(word) {
    return /^[a-z]+$/.test(word) ? word : "error";
  }

  function linkTo(table, row) {
    return element("a", { href: `#${table.key}/${row}` }, ...breakable(table.name(row)));
  }

  function places(cells) {
    const list = element("ul", { class: "places" });
    for (let place = 0; place < cells.length; place += 2) {
      const path = texts[cells[place + 1]];
      list.append(element("li", {}, texts[cells[place]], ...(path ? [" ", code(path)] : [])));
    }
    return list;
  }

  function tally(table, row) {
    const counts = table.tallies[row];
    if (!counts) return element("span", { class: "none" }, "none");
    const link = element("a", { class: "tally", href: `#findings/${table.one}/${row}` });
    SEVERITIES.forEach((severity, place) => {
      if (counts[place]) link.append(element("span", { class: `word ${severity}` }, counted(counts[place], severity)));
    });
    return link;
  }

  // ---- a table

  class Table {
    constructor({ key, names, columns }) {
      this.key = key;
      this.one = key.replace(/s$/, "");
      this.names = names;
      this.columns = new Map(columns.map((column) => [column.key, column]));
      this.shown = columns.filter((column) => !column.below && !column.detail && !column.group);
      this.group = columns.find((column) => column.group);
      this.places = new Map([...new Set(this.group?.cells)].map((cell, place) => [cell, place]));
      this.details = columns.filter((column) => column.detail);
      this.below = new Map(this.shown.map(({ key: head }) => [head, columns.filter((column) => column.below === head)]));
      this.searched = columns.filter((column) => TEXTS.has(column.kind) || ["places", "time", "link"].includes(column.kind));
      this.tallies = [];
      this.all = names.map((_name, row) => row);
      this.rows = [...this.all];
      this.chosen = new Map();
      this.words = [];
      this.sort = null;
      this.page = 0;
      this.opened = new Set();
      this.section = document.getElementById(key);
      this.body = this.section.querySelector("tbody");
    }

    name(row) {
      return texts[this.names[row]];
    }

    /** What a column is sorted by, for each row; null for what is not there. */
    order(column) {
      if (column.kind === "tally") return this.all.map((row) => weight(this.tallies[row]));
      if (column.kind === "version") return column.cells.map((cell) => (cell === null ? null : ranks.get(cell)));
      if (column.kind === "places") return column.cells.map((cells) => cells[1] ?? null);
      return column.cells;
    }

    /** Choose rows anew, and let the plots know. */
    update() {
      const hits = this.words.map((word) => this.hit(word));
      const chosen = [...this.chosen].map(([key, cell]) => [this.columns.get(key).cells, cell]);
      this.rows = this.all.filter(
        (row) => chosen.every(([cells, cell]) => cells[row] === cell) && hits.every((has) => has(row)),
      );
      this.arrange();
      listeners.forEach((listen) => listen(this));
    }

    /** Order what is chosen, and draw it; begin with the first page. */
    arrange() {
      const order = this.sort ? this.order(this.columns.get(this.sort.key)) : this.all;
      const inOrder = compare(order, this.sort?.descending ? -1 : 1);
      const place = (row) => this.places.get(this.group?.cells[row]) ?? 0;
      this.rows.sort((one, other) => place(one) - place(other) || inOrder(one, other));
      this.page = 0;
      this.draw();
    }

    /** What tells whether a row has a word in any of its columns: the texts are searched, each once, not the rows. */
    hit(word) {
      const has = Uint8Array.from(texts, (text) => text.toLowerCase().includes(word));
      const tests = this.searched.map(({ kind, cells, target }) => {
        if (kind === "places") return (row) => cells[row].some((cell) => has[cell]);
        if (kind === "time") return (row) => cells[row] !== null && moment(cells[row]).includes(word);
        if (kind === "link") return (row) => cells[row] !== null && has[tables.get(target).names[cells[row]]];
        return (row) => cells[row] !== null && has[cells[row]];
      });
      return (row) => tests.some((test) => test(row));
    }

    draw() {
      const begin = this.page * ROWS_OF_A_PAGE;
      this.fill(this.rows.slice(begin, begin + ROWS_OF_A_PAGE));
      this.tell(begin);
    }

    fill(rows) {
      this.body.replaceChildren(...rows.flatMap((row, place) => [...this.head(rows, place), ...this.lines(row)]));
    }

    /** The line before the first row of a group, which names it. */
    head(rows, place) {
      const cells = this.group?.cells;
      if (!cells || (place && cells[rows[place]] === cells[rows[place - 1]])) return [];
      const name = cells[rows[place]] === null ? "Roots" : SHOW.link(this.group, rows[place]);
      return [element("tr", { class: "group" }, element("th", { scope: "rowgroup", colspan: this.shown.length }, name))];
    }

    /** The line of a row, and that of its details where it is opened. */
    lines(row) {
      const line = element("tr", { id: `${this.key}/${row}`, tabindex: "-1" });
      if (this.details.length) line.append(element("td", { class: "toggle" }, this.toggle(row)));
      for (const column of this.shown) line.append(this.cell(column, row));
      return this.opened.has(row) ? [line, this.detail(row)] : [line];
    }

    cell(column, row) {
      const cell = element("td", { class: `is-${column.kind}` }, this.value(column, row));
      for (const below of this.below.get(column.key)) {
        if (this.isTold(below, row)) {
          cell.append(element("div", { class: "under" }, this.value(below, row)));
          cell.classList.add("is-tall");
        }
      }
      return cell;
    }

    value(column, row) {
      const isAbsent = column.cells[row] === null;
      return isAbsent && column.kind !== "tally" ? this.absent(column) : SHOW[column.kind](column, row, this);
    }

    /** Whether there is something to show: neither nothing nor an empty text. */
    isTold({ kind, cells }, row) {
      return cells[row] !== null && !(TEXTS.has(kind) && texts[cells[row]] === "");
    }

    absent(column) {
      const hasBelow = this.below.get(column.key)?.length && column.kind === "link";
      return hasBelow ? "" : element("span", { class: "none" }, "-");
    }

    toggle(row) {
      const isOpen = this.opened.has(row);
      const button = element("button", { type: "button", "aria-expanded": isOpen, "aria-label": `Details of ${this.name(row)}` });
      button.addEventListener("click", () => {
        if (isOpen) this.opened.delete(row);
        else this.opened.add(row);
        this.draw();
        document.getElementById(`${this.key}/${row}`).querySelector("button").focus();
      });
      return button;
    }

    detail(row) {
      const list = element("dl", { class: "facts" });
      for (const column of this.details.filter((one) => this.isTold(one, row))) {
        list.append(element("div", {}, element("dt", {}, column.label), element("dd", {}, this.value(column, row))));
      }
      return element("tr", { class: "details" }, element("td", { colspan: this.shown.length + 1 }, list));
    }

    // -- what is told about it

    tell(begin) {
      const { length } = this.rows;
      const end = Math.min(begin + ROWS_OF_A_PAGE, length);
      const of = length === this.all.length ? "" : `, of ${number.format(this.all.length)} in all`;
      const range = length ? `${number.format(begin + 1)} to ${number.format(end)} of ${number.format(length)}` : "Nothing found";
      this.section.querySelector("[role=status]").textContent = this.all.length ? range + of : "There are none.";
      this.section.querySelector(".scroll").hidden = !this.all.length;
      this.section.querySelector("form").hidden = !this.all.length;
      const last = Math.max(Math.ceil(length / ROWS_OF_A_PAGE) - 1, 0);
      this.section.querySelector(".turn").hidden = last === 0;
      for (const button of this.section.querySelectorAll("[data-turn]")) {
        const isBack = ["first", "previous"].includes(button.dataset.turn);
        button.disabled = this.page === (isBack ? 0 : last);
      }
      this.section.querySelector(".clear").hidden = !this.words.length && !this.chosen.size;
      this.tellChosen();
      this.tellSort();
    }

    /** Tell what is chosen by a link, and so by no list of choices. */
    tellChosen() {
      const lists = new Set(Array.from(this.section.querySelectorAll("select"), (list) => list.dataset.column));
      const chosen = [...this.chosen].filter(([key]) => !lists.has(key));
      const line = this.section.querySelector(".chosen");
      line.hidden = !chosen.length;
      line.replaceChildren(...chosen.flatMap(([key, cell]) => ["Only about: ", this.value(this.columns.get(key), this.columns.get(key).cells.indexOf(cell))]));
    }

    tellSort() {
      for (const head of this.section.querySelectorAll("th[data-column]")) {
        const isSorted = head.dataset.column === this.sort?.key;
        if (isSorted) head.setAttribute("aria-sort", this.sort.descending ? "descending" : "ascending");
        else head.removeAttribute("aria-sort");
      }
    }

    // -- what the reader does

    listen() {
      const search = this.section.querySelector("input[type=search]");
      search.addEventListener("input", () => this.search(search.value));
      for (const list of this.section.querySelectorAll("select")) this.offer(list);
      for (const head of this.section.querySelectorAll("th[data-column]")) {
        head.querySelector("button").addEventListener("click", () => this.sortBy(head.dataset.column));
      }
      for (const button of this.section.querySelectorAll("[data-turn]")) {
        button.addEventListener("click", () => this.turn(button.dataset.turn));
      }
      this.section.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
      this.section.querySelector(".clear").addEventListener("click", () => {
        this.reset();
        this.update();
        search.focus();
      });
    }

    search(text) {
      this.words = text.toLowerCase().split(/\s+/).filter(Boolean);
      this.update();
    }

    /** Offer what can be chosen in a column; where that is very much, the search has to do. */
    offer(list) {
      const { key, kind, cells, target } = this.columns.get(list.dataset.column);
      const counts = new Map();
      for (const cell of cells) if (cell !== null) counts.set(cell, (counts.get(cell) ?? 0) + 1);
      const order = kind === "version" ? (cell) => ranks.get(cell) : (cell) => cell;
      const choices = [...counts.keys()].sort((one, other) => order(one) - order(other));
      list.parentElement.hidden = choices.length < 2 || choices.length > MOST_CHOICES;
      if (list.parentElement.hidden) {
        list.remove();
        return;
      }
      const named = (cell) => (kind === "link" ? tables.get(target).name(cell) : texts[cell]);
      list.append(...choices.map((cell) => element("option", { value: cell }, `${named(cell)} (${number.format(counts.get(cell))})`)));
      list.addEventListener("change", () => {
        if (list.value) this.chosen.set(key, Number(list.value));
        else this.chosen.delete(key);
        this.update();
      });
    }

    sortBy(key) {
      const isFirst = this.sort?.key !== key;
      this.sort = isFirst ? { key, descending: false } : this.sort.descending ? null : { key, descending: true };
      this.arrange();
    }

    turn(where) {
      const last = Math.ceil(this.rows.length / ROWS_OF_A_PAGE) - 1;
      this.page = { first: 0, previous: this.page - 1, next: this.page + 1, last }[where];
      this.draw();
      this.section.querySelector(".scroll").scrollIntoView({ block: "start" });
    }

    reset() {
      this.words = [];
      this.chosen.clear();
      this.section.querySelector("input[type=search]").value = "";
      for (const list of this.section.querySelectorAll("select")) list.value = "";
    }

    // -- where links lead to

    /** Show one row, opened, on whatever page it is. */
    show(row) {
      if (!this.rows.includes(row)) {
        this.reset();
        this.update();
      }
      this.page = Math.floor(this.rows.indexOf(row) / ROWS_OF_A_PAGE);
      if (this.details.length) this.opened.add(row);
      this.draw();
      const line = document.getElementById(`${this.key}/${row}`);
      line.scrollIntoView({ block: "center" });
      line.focus({ preventScroll: true });
    }

    /** Show the rows that have a cell in a column, and no others. */
    choose(key, cell) {
      this.reset();
      this.chosen.set(key, cell);
      const list = this.section.querySelector(`select[data-column="${key}"]`);
      if (list) list.value = cell;
      this.update();
      this.section.scrollIntoView({ block: "start" });
      this.section.querySelector(".scroll").focus({ preventScroll: true });
    }

    // -- paper

    /** Lay out what is chosen, without pages; what is cut is told. */
    layOut() {
      const { length } = this.rows;
      this.fill(this.rows.slice(0, ROWS_ON_PAPER));
      const cut = `The first ${number.format(ROWS_ON_PAPER)} of ${counted(length, "row")}; search and filters choose which ones are printed.`;
      const whole = length === this.all.length ? counted(length, "row") : `${counted(length, "row")}, of ${number.format(this.all.length)} in all`;
      this.section.querySelector("[role=status]").textContent = length > ROWS_ON_PAPER ? cut : whole;
    }
  }

  /** What compares two rows by their place in an order; what is not there comes last, whatever the direction. */
  function compare(order, direction) {
    return (one, other) => {
      const [mine, theirs] = [order[one], order[other]];
      if (mine === theirs) return one - other;
      if (mine === null) return 1;
      return theirs === null ? -1 : direction * (mine - theirs);
    };
  }

  /** What a tally is sorted by: errors before warnings before notes. */
  function weight(counts) {
    return counts ? counts[0] * 1e10 + counts[1] * 1e5 + counts[2] : 0;
  }

  /** Count the findings about each row of the tables that they link to. */
  function count(findings) {
    const severity = findings.columns.get("severity").cells.map((cell) => SEVERITIES.indexOf(texts[cell]));
    for (const { kind, target, cells } of findings.columns.values()) {
      if (kind !== "link") continue;
      const { tallies } = tables.get(target);
      cells.forEach((row, finding) => {
        if (row === null) return;
        tallies[row] ??= [0, 0, 0];
        tallies[row][severity[finding]] += 1;
      });
    }
  }

  /** Go where the address leads to: "#backups/12" a row, "#findings/backup/12" the rows about another one. */
  function go() {
    const [key, part, value] = location.hash.slice(1).split("/");
    const table = tables.get(key);
    const column = table?.columns.get(part);
    if (column && value !== undefined) {
      table.choose(part, column.kind === "link" ? Number(value) : texts.indexOf(value));
    } else if (table?.all.includes(Number(part))) {
      table.show(Number(part));
    }
  }

  for (const one of told) tables.set(one.key, new Table(one));
  count(tables.get("findings"));
  for (const hidden of document.querySelectorAll(".script")) hidden.hidden = false;
  for (const table of tables.values()) {
    table.listen();
    table.draw();
  }
  window.addEventListener("hashchange", go);
  document.addEventListener("click", ({ target }) => {
    if (target.closest("a")?.hash === location.hash) go(); // the address stays, so that nothing else would tell
  });
  window.addEventListener("beforeprint", () => tables.forEach((table) => table.layOut()));
  window.addEventListener("afterprint", () => tables.forEach((table) => table.draw()));
  go();

  return { tables, texts, ranks, listeners, element, moment, size, number, counted };
})();
