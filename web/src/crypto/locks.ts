/** One at a time: among the tabs of this browser by Web Locks, where there are none in this program. */

const waiting = new Map<string, Promise<unknown>>()

/** Runs `work` when all that asked before under this name are done. Its error is the caller's alone. */
export function exclusively<T>(name: string, work: () => Promise<T>): Promise<T> {
  const locks = (globalThis.navigator as Navigator | undefined)?.locks
  if (locks !== undefined) return locks.request(name, work) as Promise<T>
  const before = waiting.get(name) ?? Promise.resolve()
  const now = before.then(work, work)
  const done = now.then(
    () => undefined,
    () => undefined
  )
  waiting.set(name, done)
  void done.then(() => {
    if (waiting.get(name) === done) waiting.delete(name)
  })
  return now
}
