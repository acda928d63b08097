import { pageUrl } from "../api/client";

export function Brand() {
  return (
    <a class="brand" href={pageUrl("./").pathname} aria-label="pricetime, the market page">
      <svg width="20" height="20" viewBox="0 0 32 32" aria-hidden="true">
        <path class="bid" d="M4 18h12v4H4zm4 6h8v4H8z" />
        <path class="ask" d="M16 4h8v4h-8zm0 6h12v4H16z" />
      </svg>
      <span>pricetime</span>
    </a>
  );
}
