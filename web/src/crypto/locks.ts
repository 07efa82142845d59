/**
 * Mutual exclusion: within this tab with a queue, and between the tabs of the browser with a Web Lock. Getting a Web
 * Lock takes long, so it is kept for a series of operations.
 */

/** How long the Web Lock is kept after its last use, and how long a series of uses may keep it, in milliseconds. */
const LINGER = 20
const LONGEST = 500

interface Hold {
  /** Who has used the lock last, and an object that stays the same as long as nobody else does. */
  owner: object
  token: object
  ready: Promise<void>
  since: number
  users: number
  release: () => void
}

const waiting = new Map<string, Promise<unknown>>()
const holds = new Map<string, Hold>()

/**
 * Runs `work` after everything that was requested before for this `name`, and while no other tab holds the lock of
 * `scope`. `hold` is the same object as the last time if nobody but `owner` has had the lock in between, so what was
 * cached is still valid.
 */
export async function exclusively<T>(
  scope: string,
  name: string,
  owner: object,
  work: (hold: object) => Promise<T>
): Promise<T> {
  const hold = await held(scope)
  try {
    return await inTurn(`${scope} ${name}`, () => work(token(hold, owner)))
  } finally {
    if (--hold.users === 0) setTimeout(() => hold.users === 0 && end(scope, hold), LINGER)
  }
}

/** Runs `work` after everything that was requested before for this `name` in this tab, even if that has failed. */
export function inTurn<T>(name: string, work: () => Promise<T>): Promise<T> {
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

function token(hold: Hold, owner: object): object {
  if (hold.owner !== owner) Object.assign(hold, { owner, token: {} })
  return hold.token
}

async function held(scope: string): Promise<Hold> {
  const before = holds.get(scope)
  if (before !== undefined && performance.now() - before.since < LONGEST) {
    before.users++
    await before.ready
    return before
  }
  const hold = taken(scope)
  holds.set(scope, hold)
  await hold.ready
  return hold
}

function taken(scope: string): Hold {
  const locks = (globalThis.navigator as Navigator | undefined)?.locks
  const hold: Hold = {
    owner: waiting,
    token: {},
    ready: Promise.resolve(),
    since: performance.now(),
    users: 1,
    release: () => undefined
  }
  if (locks === undefined) return hold
  hold.ready = new Promise((ready, failed) => {
    locks
      .request(`${scope} keys`, () => {
        hold.since = performance.now()
        ready()
        return new Promise<void>((release) => {
          hold.release = release
        })
      })
      .catch(failed)
  })
  return hold
}

function end(scope: string, hold: Hold): void {
  if (holds.get(scope) === hold) holds.delete(scope)
  hold.release()
}
