/** Object URLs of files that are on the screen: one for each file, released a while after the last use. */
const shown = new Map<string, { url: string; uses: number; timer?: ReturnType<typeof setTimeout> }>()
/** Milliseconds, since a message is often drawn again soon. */
const STAYS_MS = 10_000

/** The URL, if the file is on the screen already. Each call needs a `release`. */
export function reuse(id: string): string | undefined {
  const known = shown.get(id)
  if (!known) return undefined
  clearTimeout(known.timer)
  known.uses += 1
  return known.url
}

export function acquire(id: string, data: Blob): string {
  const known = reuse(id)
  if (known !== undefined) return known
  const url = URL.createObjectURL(data)
  shown.set(id, { url, uses: 1 })
  return url
}

export function release(id: string): void {
  const known = shown.get(id)
  if (!known) return
  known.uses -= 1
  if (known.uses > 0) return
  known.timer = setTimeout(() => {
    shown.delete(id)
    URL.revokeObjectURL(known.url)
  }, STAYS_MS)
}
