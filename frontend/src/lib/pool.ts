/** Runs `work` over the items, in order, at most `width` at once: a browser has six connections to one server. */
export async function inPool<Item>(
  items: readonly Item[],
  work: (item: Item) => Promise<unknown>,
  width = 4,
): Promise<void> {
  const rest = items.values();
  const run = async () => {
    for (const item of rest) await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, run));
}
