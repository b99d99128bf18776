// The look of a map: colors, legend and selection, without points. It leaves them for the map to take, or to find.
export default function looks({ data }) {
  const maps = (window.phenopolicyMaps ??= new Map());
  const entry = maps.get(data.id) ?? {};
  maps.set(data.id, entry);
  if (JSON.stringify(entry.look) === JSON.stringify(data)) return;
  entry.look = data;
  entry.map?.show(data);
}
