// What travels between server and browser, and how it is packed.

// The bytes of a message: length of its head (uint32), the head as JSON, then the parts that the head lists.
export function unpack(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  let offset = 4 + length;
  const take = (size) => bytes.slice(offset, (offset += size));
  const parts = Object.fromEntries(head.parts.map(({ name, size }) => [name, take(size)]));
  return { head, parts };
}

export const uint16 = (bytes) => new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2);

async function through(bytes, stream) {
  return new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(stream)).arrayBuffer());
}

export const inflate = (bytes) => through(bytes, new DecompressionStream("deflate"));

export function fromBase64(text) {
  const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (char) => char.charCodeAt(0));
}

export const fromText = async (text) => inflate(fromBase64(text));

// Rows as text: a bit a row, the first row in the highest bit of the first byte, deflated, base64 for addresses.
export async function encodeRows(rows) {
  const last = rows.reduce((most, row) => Math.max(most, row), -1);
  const bits = new Uint8Array((last >> 3) + 1);
  for (const row of rows) bits[row >> 3] |= 128 >> (row & 7);
  const packed = await through(bits, new CompressionStream("deflate"));
  let plain = "";
  for (let i = 0; i < packed.length; i += 8192) plain += String.fromCharCode(...packed.subarray(i, i + 8192));
  return btoa(plain).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

export async function decodeRows(text) {
  const bits = await fromText(text);
  const rows = [];
  bits.forEach((byte, i) => {
    for (let bit = 0; byte && bit < 8; bit++) if (byte & (128 >> bit)) rows.push(8 * i + bit);
  });
  return rows;
}
