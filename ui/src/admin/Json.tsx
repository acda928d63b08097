// Values of JSON, for reading.

import { dateTime } from "../lib/format";
import { Heads } from "../lib/Heads";

export function Json({ of, label }: { of: unknown; label: string }) {
  return (
    <pre class="json" tabIndex={0} aria-label={label}>
      {JSON.stringify(of, null, 2)}
    </pre>
  );
}

/** The names and values of an object; what is inside of them follows them. */
export function Fields({ of }: { of: object }) {
  return (
    <dl class="fields">
      {Object.entries(of).map(([name, value]) => (
        <div key={name}>
          <dt>{name.replaceAll("_", " ")}</dt>
          <dd>
            <Value of={value} />
          </dd>
        </div>
      ))}
    </dl>
  );
}

/** Numbers from here on are points in time, in microseconds since 1970. */
const TIMES_FROM = 1e15;

function Value({ of }: { of: unknown }) {
  if (typeof of === "number" && of >= TIMES_FROM) {
    return <>{dateTime(of)} UTC</>;
  }
  if (of === true || of === false) {
    return <span class={of ? "good" : "bad"}>{of ? "yes" : "no"}</span>;
  }
  if (of === null || of === undefined) {
    return <span class="muted">–</span>;
  }
  if (Array.isArray(of)) {
    return of.length === 0 ? <span class="muted">none</span> : <Rows of={of} />;
  }
  return typeof of === "object" ? <Fields of={of} /> : <>{String(of)}</>;
}

/** A list of objects as a table with a column for each name. */
function Rows({ of }: { of: unknown[] }) {
  const objects = of.filter((item): item is Record<string, unknown> => typeof item === "object" && item !== null);
  if (objects.length < of.length) {
    return <>{of.map(String).join(", ")}</>;
  }
  const names = [...new Set(objects.flatMap(Object.keys))];
  return (
    <table>
      <Heads of={names.map((name) => name.replaceAll("_", " "))} />
      <tbody>
        {objects.map((object, index) => (
          <tr key={index}>
            {names.map((name) => (
              <td key={name}>
                <Value of={object[name]} />
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
