// What stands around the map: its tools, the legend, and what the pointer says.

export function element(tag, className, text = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

export function button(text, title, act, pressed) {
  const made = element("button", "pp-map-button", text);
  made.type = "button";
  made.title = title;
  if (pressed !== undefined) made.setAttribute("aria-pressed", String(pressed));
  made.addEventListener("click", act);
  return made;
}

function swatch(color, kind = "") {
  const made = element("span", `pp-map-swatch ${kind}`);
  made.style.setProperty("--color", color);
  return made;
}

// Groups are buttons that select their patients; an amount is a band of its shades with its range.
export function legend(look, selectGroup) {
  const made = element("div", "pp-map-legend");
  made.append(element("strong", "", look.title));
  look.groups.forEach(({ code, name, detail }) => {
    const entry = button("", `Select: ${name}`, () => selectGroup(code));
    entry.append(swatch(look.colors[code]), element("span", "", name), element("small", "", detail));
    made.append(entry);
  });
  if (look.range) {
    const band = element("span", "pp-map-band");
    band.style.background = `linear-gradient(90deg, ${look.colors.slice(0, -1).join(",")})`;
    made.append(element("span", "", look.range[0]), band, element("span", "", look.range[1]));
  }
  for (const { kind, text } of look.marks) {
    const entry = element("span", "pp-map-mark");
    entry.append(swatch(kind === "ring" ? look.hazard : look.colors[look.colors.length >> 1], kind), element("span", "", text));
    made.append(entry);
  }
  return made;
}

export class Tip {
  constructor(parent) {
    this.box = element("div", "pp-map-tip");
    this.box.hidden = true;
    parent.append(this.box);
  }
  show(lines, [x, y], width) {
    this.box.replaceChildren(...lines.map((line, i) => element(i ? "div" : "strong", "", line)));
    this.box.hidden = false;
    const left = x + 14 + this.box.offsetWidth > width ? x - 14 - this.box.offsetWidth : x + 14;
    this.box.style.transform = `translate(${Math.max(left, 0)}px, ${Math.max(y - 20, 0)}px)`;
  }
  hide() {
    this.box.hidden = true;
  }
}
