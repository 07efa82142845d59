/**
 * Mutual exclusion: within this program by a queue, among the tabs of this browser by a Web Lock. Getting a Web Lock
 * takes long, so it is held for everything that is done in succession.
 */

/** How many milliseconds the lock is kept after the last use, and after the last of a series if others are waiting. */
const LINGER = 20
const LONGEST = 500

interface Hold {
  /** The last holder, and the object that identifies its state. */
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
 * Runs `work` after everything that was requested before for this `name`, also in other tabs for the same `scope`.
 * `hold`: the same as last time if nobody but `owner` has had the lock in between.
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

/** Within this program only. An error only concerns its caller. */
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
