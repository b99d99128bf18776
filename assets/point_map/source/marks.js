// The points as they are drawn: under some a red ring, over others a hole in the color of the ground. A mark is a point
// of its own, drawn before or after all others, so that any number of them costs the browser no more than points do.

export const PLAIN = 0, RING = 1, HOLE = 2; // sizes

export function marked(n, codes, ring, hollow, colors) {
  const has = (bits, row) => bits !== null && (bits[row >> 3] & (128 >> (row & 7))) !== 0;
  const every = Array.from({ length: ring || hollow ? n : 0 }, (_, row) => row);
  const rings = every.filter((row) => has(ring, row)), holes = every.filter((row) => has(hollow, row));
  const total = rings.length + n + holes.length;
  const rows = new Uint32Array(total), code = new Uint8Array(total), size = new Uint8Array(total);
  rings.forEach((row, i) => ((rows[i] = row), (code[i] = colors), (size[i] = RING)));
  for (let row = 0; row < n; row++) {
    rows[rings.length + row] = row;
    code[rings.length + row] = codes[row];
  }
  holes.forEach((row, i) => {
    const at = rings.length + n + i;
    rows[at] = row, code[at] = colors + 1, size[at] = HOLE;
  });
  const extra = new Map(); // row: its marks
  const add = (row, at) => extra.has(row) ? extra.get(row).push(at) : extra.set(row, [at]);
  rings.forEach((row, i) => add(row, i));
  holes.forEach((row, i) => add(row, rings.length + n + i));
  const drawn = (row) => [rings.length + row, ...(extra.get(row) ?? [])];
  return { total, rows, code, size, first: rings.length, drawn };
}
