"use strict";

// The plots of a report. They show what is chosen in the tables, and each is told as a table, too.

(() => {
  const { tables, texts, ranks, listeners, element, moment, size, number, counted } = report;
  const MOST_LINES = 40;
  const MOST_VERSIONS = 20;
  const MOST_BARS = 48;
  const TICK_WIDTH = 110;
  const LINE_HEIGHT = 24;
  const LONGEST_LABEL = 34;
  const MOST_NAMED = 5;
  const DAY = 86_400;
  const charts = new Map();

  const backups = column("backups");
  const installs = column("installs");

  function column(table) {
    return (key, row) => tables.get(table).columns.get(key).cells[row];
  }

  // ---- colours, from the style sheet

  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  }

  function short(text) {
    return text.length > LONGEST_LABEL ? `${text.slice(0, LONGEST_LABEL - 1)}…` : text;
  }

  // ---- a timeline: a line an install, a mark a backup

  /** The installs of the chosen backups, that with the newest backup first: their moments, oldest first. */
  function histories() {
    const found = new Map();
    for (const row of tables.get("backups").rows) {
      if (backups("time", row) === null) continue;
      const key = `${backups("account", row)}/${backups("install_id", row)}`;
      if (!found.has(key)) found.set(key, []);
      found.get(key).push(row);
    }
    for (const rows of found.values()) rows.sort((one, other) => backups("time", one) - backups("time", other));
    return [...found.values()].sort((one, other) => backups("time", other.at(-1)) - backups("time", one.at(-1)));
  }

  function named(row) {
    const [title, url, id] = ["title", "url", "install_id"].map((key) => backups(key, row));
    const of = [title, url, id].filter((one) => one !== null && texts[one] !== "");
    return of.length ? texts[of[0]] : tables.get("backups").name(row);
  }

  /** Whether another version stood there at the backup before: an update lies between the two. */
  function isUpdated(row, place, rows) {
    return place > 0 && backups("version", row) !== backups("version", rows[place - 1]);
  }

  /** Where a scale of times begins and ends: few moments far from all others, beyond thrice the quartiles' range, don't squeeze it. */
  function range(times) {
    const sorted = Float64Array.from(times).sort();
    const [low, high] = [0.25, 0.75].map((part) => sorted[Math.floor(part * (sorted.length - 1))]);
    const room = 3 * Math.max(high - low, 30 * DAY);
    const inner = sorted.filter((time) => time >= low - room && time <= high + room);
    const isSqueezed = 2 * (inner.at(-1) - inner[0]) < sorted.at(-1) - sorted[0];
    return isSqueezed ? [inner[0], inner.at(-1)] : [sorted[0], sorted.at(-1)];
  }

  /** What a plot says of the moments that its scale has no place for. */
  function outside(points, some) {
    if (!points.length) return "";
    const names = points.slice(0, MOST_NAMED).map(({ time, y }) => `${named(some[y].at(-1))}, ${moment(time).slice(0, 10)}`);
    const more = points.length > MOST_NAMED ? `; and ${number.format(points.length - MOST_NAMED)} more` : "";
    return `${counted(points.length, "moment")} far from the others at the edge of the scale: ${names.join("; ")}${more}.`;
  }

  function timeline() {
    const all = histories();
    const some = all.slice(0, MOST_LINES);
    const made = some.flatMap((rows, y) =>
      rows.map((row, place) => ({ time: backups("time", row), y, row, isUpdated: isUpdated(row, place, rows) })),
    );
    const created = some.flatMap((rows, y) => {
      const install = backups("install", rows[0]);
      const time = install === null ? null : installs("created", install);
      return time === null ? [] : [{ time, y }];
    });
    const points = [...made, ...created];
    const [begin, end] = range(points.map(({ time }) => time));
    for (const point of points) point.x = Math.min(Math.max(point.time, begin), end);
    const isInside = ({ x, time }) => x === time;
    const far = points.filter((point) => !isInside(point));
    const left = tables.get("backups").rows.filter((row) => backups("time", row) === null).length;
    return {
      told: [
        all.length > some.length ? `These are the ${MOST_LINES} of ${number.format(all.length)} with the newest backups.` : "",
        outside(far, some),
        left ? `${counted(left, "backup")} without a known time left out.` : "",
      ].join(" "),
      rows: some.map((rows) => [
        named(rows.at(-1)),
        number.format(rows.length),
        moment(backups("time", rows[0])),
        moment(backups("time", rows.at(-1))),
        [...new Set(rows.map((row) => texts[backups("version", row)] ?? "?"))].join(" → "),
      ]),
      lines: some.length + 2,
      chart: () => ({
        type: "scatter",
        data: {
          datasets: [
            marks("Backup", made.filter((point) => isInside(point) && !point.isUpdated), "circle", "accent", 4),
            marks("Backup, the first of a new version", made.filter((point) => isInside(point) && point.isUpdated), "triangle", "second", 6),
            marks("Installed", created.filter(isInside), "rectRot", "ink", 5),
            ...(far.length ? [marks("Outside of the scale", far, "star", "error", 6)] : []),
          ],
        },
        options: {
          scales: {
            x: timeScale(),
            y: labels(some.map((rows) => named(rows.at(-1)))),
          },
          plugins: { tooltip: { callbacks: { label: (item) => tip(item, some) } } },
        },
      }),
    };
  }

  function marks(label, data, pointStyle, tone, radius) {
    const borderColor = colour(pointStyle === "star" ? tone : "paper"); // a star is all lines
    return { label, data, pointStyle, radius, hoverRadius: radius + 2, backgroundColor: colour(tone), borderColor };
  }

  function tip({ raw }, some) {
    const version = raw.row === undefined ? null : backups("version", raw.row);
    return [named(some[raw.y].at(-1)), moment(raw.time), ...(version === null ? [] : [texts[version]])].join(" · ");
  }

  // ---- sizes over time

  /** How long the bars are: days, months or years, whatever there are not too many of. */
  function parted(times) {
    for (const length of [10, 7]) {
      if (new Set(times.map((time) => moment(time).slice(0, length))).size <= MOST_BARS) return length;
    }
    return 4;
  }

  function sizes() {
    const rows = tables.get("backups").rows.filter((row) => backups("time", row) !== null && backups("bytes", row) !== null);
    const length = parted(rows.map((row) => backups("time", row)));
    const sums = new Map();
    for (const row of rows) {
      const part = moment(backups("time", row)).slice(0, length);
      const [count, bytes] = sums.get(part) ?? [0, 0];
      sums.set(part, [count + 1, bytes + backups("bytes", row)]);
    }
    const parts = [...sums.keys()].sort();
    return {
      told: `Each bar is a ${{ 10: "day", 7: "month", 4: "year" }[length]}.`,
      rows: parts.map((part) => [part, number.format(sums.get(part)[0]), size(sums.get(part)[1])]),
      lines: 11,
      chart: () => ({
        type: "bar",
        data: { labels: parts, datasets: [bars("Size of archives", parts.map((part) => sums.get(part)[1]))] },
        options: {
          scales: { x: axis({ grid: { display: false } }), y: axis({ ticks: { callback: size }, beginAtZero: true }) },
          plugins: { legend: { display: false }, tooltip: { callbacks: { label: ({ raw }) => size(raw) } } },
        },
      }),
    };
  }

  function bars(label, data) {
    return { label, data, backgroundColor: colour("accent"), borderRadius: 3, maxBarThickness: 40 };
  }

  // ---- versions in use

  function inUse() {
    const { rows } = tables.get("installs");
    const counts = new Map();
    for (const row of rows) {
      const [application, version] = [installs("application", row), installs("version", row)];
      const key = `${application}/${version}`;
      const known = counts.get(key) ?? { application, version, count: 0 };
      known.count += 1;
      counts.set(key, known);
    }
    const name = (cell) => (cell === null ? "?" : texts[cell]);
    const label = ({ application, version }) => `${name(application)} ${name(version)}`;
    const all = [...counts.values()].sort(
      (one, other) => one.application - other.application || ranks.get(other.version) - ranks.get(one.version),
    );
    const most = new Set([...all].sort((one, other) => other.count - one.count).slice(0, MOST_VERSIONS));
    const some = all.filter((one) => most.has(one));
    return {
      told: all.length > some.length ? `These are the ${MOST_VERSIONS} of ${number.format(all.length)} that are used most.` : "",
      rows: all.map((one) => [name(one.application), name(one.version), number.format(one.count)]),
      lines: some.length + 1,
      chart: () => ({
        type: "bar",
        data: { labels: some.map(label).map(short), datasets: [bars("Installs", some.map(({ count }) => count))] },
        options: {
          indexAxis: "y",
          scales: {
            x: axis({ ticks: { precision: 0 }, beginAtZero: true }),
            y: axis({ grid: { display: false }, ticks: { autoSkip: false } }),
          },
          plugins: { legend: { display: false } },
        },
      }),
    };
  }

  // ---- axes

  function axis(options) {
    const plain = { border: { display: false }, grid: { color: colour("line") }, ticks: { color: colour("soft") } };
    return { ...plain, ...options, grid: { ...plain.grid, ...options.grid }, ticks: { ...plain.ticks, ...options.ticks } };
  }

  function timeScale() {
    const ticks = { callback: (seconds) => moment(seconds).slice(0, 10), maxRotation: 0, autoSkip: true, autoSkipPadding: 24 };
    return axis({ type: "linear", ticks, grace: "2%", afterBuildTicks: atCalendarDays });
  }

  function labels(names) {
    const ticks = { callback: (line) => short(names[line] ?? ""), stepSize: 1, autoSkip: false };
    return axis({ type: "linear", reverse: true, min: -0.5, max: Math.max(names.length - 0.5, 0.5), afterBuildTicks: whole(names), ticks });
  }

  /** Let ticks be at days that a calendar has lines at: first days of months or years, else of days. */
  function atCalendarDays(scale) {
    const [begin, end] = [new Date(scale.min * 1000), new Date(scale.max * 1000)];
    const months = (end.getUTCFullYear() - begin.getUTCFullYear()) * 12 + end.getUTCMonth() - begin.getUTCMonth();
    if (!(months > 2)) return;
    const room = Math.max(Math.floor(scale.maxWidth / TICK_WIDTH), 2);
    const step = [1, 2, 3, 6, 12, 24, 60, 120].find((one) => months / one <= room) ?? 600;
    const first = Math.ceil(begin.getUTCMonth() / step) * step;
    const ticks = [];
    for (let month = first; ticks.length <= room; month += step) {
      const value = Date.UTC(begin.getUTCFullYear(), month) / 1000;
      if (value > scale.max) break;
      if (value >= scale.min) ticks.push({ value });
    }
    scale.ticks = ticks;
  }

  /** Let each line have one tick, and none between them. */
  function whole(names) {
    return (scale) => {
      scale.ticks = names.map((_name, value) => ({ value }));
    };
  }

  // ---- drawing

  const PLOTS = { timeline, sizes, versions: inUse };

  function draw(key) {
    const figure = document.getElementById(`plot-${key}`);
    const plot = PLOTS[key]();
    figure.hidden = !plot.rows.length;
    figure.querySelector(".told").textContent = plot.told;
    figure.querySelector("tbody").replaceChildren(
      ...plot.rows.map((cells) => element("tr", {}, ...cells.map((cell) => element("td", {}, cell)))),
    );
    charts.get(key)?.destroy();
    if (figure.hidden) return;
    figure.querySelector(".canvas").style.height = `${Math.max(plot.lines, 3) * LINE_HEIGHT + 48}px`;
    charts.set(key, new Chart(figure.querySelector("canvas"), plot.chart()));
  }

  function drawAll() {
    Chart.defaults.color = colour("ink");
    Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
    Object.keys(PLOTS).forEach(draw);
  }

  Chart.defaults.animation = false;
  Chart.defaults.maintainAspectRatio = false;
  Chart.defaults.devicePixelRatio = Math.max(window.devicePixelRatio, 2); // sharp on paper, too
  Chart.defaults.plugins.legend.labels.usePointStyle = true;
  Chart.defaults.plugins.legend.align = "start";

  // ---- what changes them

  listeners.push(({ key }) => {
    if (key === "backups") ["timeline", "sizes"].forEach(draw);
    if (key === "installs") draw("versions");
  });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  window.addEventListener("beforeprint", () => {
    document.documentElement.dataset.paper = ""; // paper is white
    drawAll();
  });
  window.addEventListener("afterprint", () => {
    delete document.documentElement.dataset.paper;
    drawAll();
  });
  drawAll();
})();
