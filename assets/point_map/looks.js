// The look of a map (colors and legend) and its selection, two messages without points. What comes is left for the map
// to take, or to find when it comes later; what has not changed is not drawn again.
export default function looks({ data }) {
  const maps = (window.phenopolicyMaps ??= new Map());
  const entry = maps.get(data.id) ?? {};
  maps.set(data.id, entry);
  const part = "selection" in data ? "selection" : "look";
  if (JSON.stringify(entry[part]) === JSON.stringify(data)) return;
  entry[part] = data;
  entry.map?.follow(entry);
}
