"""The map that the browser draws by WebGL: where its points are, and what it holds, read from its own object."""

from __future__ import annotations

from dataclasses import dataclass

from visitor import PATIENCE, Tab

ENTRY = "window.phenopolicyMaps?.get('point-map-umap')"
DRAWN = f"""() => {{
    const at = {ENTRY}, map = at?.map;
    return map?.painted !== undefined && map.painted === at.look && map.marked === at.selection;
}}"""
POINTS = f"""() => {{
    const {{map}} = {ENTRY}, color = row => map.look.colors[map.codes[row]];
    return Object.fromEntries(Array.from(map.x, (x, row) => [row, [x, map.y[row], color(row)]]));
}}"""
SELECTED = f"() => {ENTRY}.map.shown"
PIXELS = f"""() => {{
    const {{map}} = {ENTRY};
    map.stage.scrollIntoView({{block: 'center', behavior: 'instant'}});
    const box = map.canvas.getBoundingClientRect();
    return Array.from(map.x, (_, row) => {{
        const [x, y] = map.plot.getScreenPosition(map.marks.first + row);
        return [box.left + x, box.top + y];
    }});
}}"""
BOX = f"""() => {{
    const box = {ENTRY}.map.canvas.getBoundingClientRect();
    return [box.left, box.top, box.width, box.height];
}}"""
INK = f"""() => {{
    const {{width, height, data}} = {ENTRY}.map.plot.export(), seen = new Set();
    for (let i = 0; i < data.length; i += 4) seen.add(data.slice(i, i + 3).join());
    return [width, height, seen.size];
}}"""


@dataclass
class PointMap:
    """The map on a tab; rows are places among the points, which in a small run are positions in the cohort."""

    tab: Tab

    def wait(self) -> None:
        self.tab.page.wait_for_function(DRAWN, timeout=PATIENCE)

    def points(self) -> dict[str, list]:
        """x, y and color of each row."""
        self.wait()
        found: dict[str, list] = self.tab.page.evaluate(POINTS)
        return found

    def selected(self) -> list[int]:
        """The rows that stay bright, sorted."""
        self.wait()
        return sorted(self.tab.page.evaluate(SELECTED))

    def ink(self) -> tuple[int, int, int]:
        """Width and height of the picture, and how many colors it holds."""
        self.wait()
        width, height, colors = self.tab.page.evaluate(INK)
        return width, height, colors

    def pixels(self) -> list[tuple[float, float]]:
        """Where on the screen each row is drawn, after scrolling to the map."""
        self.wait()
        return [(float(x), float(y)) for x, y in self.tab.page.evaluate(PIXELS)]

    def lasso(self, row: int, radius: int = 25) -> None:
        """Draw a loop around one row."""
        self.loop(*self.pixels()[row], radius)

    def empty_place(self, radius: int) -> tuple[float, float]:
        """The middle of a square on the map, so wide each way, that holds no row."""
        rows = self.pixels()
        left, top, width, height = self.tab.page.evaluate(BOX)
        for x in range(int(left + 2 * radius), int(left + width - 2 * radius), 20):
            for y in range(int(top + 2 * radius), int(top + height - 2 * radius), 20):
                if all(max(abs(x - a), abs(y - b)) > radius for a, b in rows):
                    return float(x), float(y)
        raise AssertionError("patients are everywhere on the map")

    def loop(self, x: float, y: float, radius: int) -> None:
        """Draw a loop around a place of the screen."""
        mouse = self.tab.page.mouse
        mouse.move(x - radius, y - radius)
        mouse.down()
        for dx, dy in ((1, -1), (1, 1), (-1, 1), (-1, -1)):
            mouse.move(x + dx * radius, y + dy * radius, steps=8)
            self.tab.page.wait_for_timeout(60)
        mouse.up()
