/** A template's picture as an address for <img>: a picture runs no script, whatever the SVG holds. */
export function thumbnailUrl(svg: string): string {
  return `data:image/svg+xml,${encodeURIComponent(svg)}`;
}
