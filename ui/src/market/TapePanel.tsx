import { TapeView } from "../draw/tape";
import { explained } from "./dialogs";
import { onDigits, rowHeight, useDrawn } from "./hooks";

export function TapePanel() {
  const host = useDrawn<HTMLDivElement>((element, market) => {
    const view = new TapeView(element, market, rowHeight, (id) => (explained.value = id));
    const end = market.tradesChanged.add(() => view.draw());
    return [view, { end }, onDigits(market, () => view.again())];
  });
  return (
    <section class="panel tape" aria-label="Matchings">
      <h2>Matchings</h2>
      <div class="heads prints" aria-hidden="true">
        <span>Time UTC</span>
        <span>Taker</span>
        <span>Price</span>
        <span>Size</span>
        <span>Maker id</span>
        <span>Taker id</span>
      </div>
      <div class="prints-host" id="tape" role="table" aria-label="Newest matchings first" ref={host} />
    </section>
  );
}
