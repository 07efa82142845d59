const FIRST_PAUSE_MS = 1500
const LONGEST_PAUSE_MS = 60_000

/**
 * A part of the app that is loaded when it is needed. Everything is kept in the browser soon after the first visit; before,
 * a network that goes in the wrong moment would leave the screen without it, so it is tried until it is there: less and
 * less often, and at once when the browser says that it is connected.
 */
export async function arriving<T>(load: () => Promise<T>): Promise<T> {
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
    try {
      return await load()
    } catch (error) {
      console.warn(error)
      await new Promise<void>((done) => {
        const wake = (): void => {
          clearTimeout(timer)
          removeEventListener('online', wake)
          done()
        }
        const timer = setTimeout(wake, pause)
        addEventListener('online', wake)
      })
    }
  }
}
