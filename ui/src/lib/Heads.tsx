// The heads of a table's columns.

export function Heads({ of, numbers = new Set() }: { of: string[]; numbers?: ReadonlySet<string> }) {
  return (
    <thead>
      <tr>
        {of.map((head) => (
          <th key={head} scope="col" class={numbers.has(head) ? "number" : ""}>
            {head}
          </th>
        ))}
      </tr>
    </thead>
  );
}
