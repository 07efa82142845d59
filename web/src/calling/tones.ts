/** The sounds of a call, made by the browser (Web Audio), so that nothing has to be loaded. */

type Tone = 'ring' | 'waiting' | 'ringback' | 'end'
/** Notes of each tone: frequency in Hz, start and length in seconds; and after how many seconds they begin again. */
const TONES: Record<Tone, { notes: [number, number, number][]; every: number; loudness: number }> = {
  ring: {
    notes: [
      ...[0, 0.5].flatMap((at): [number, number, number][] => [
        [659.3, at, 0.16],
        [784, at + 0.14, 0.16],
        [987.8, at + 0.28, 0.22]
      ])
    ],
    every: 2.6,
    loudness: 0.22
  },
  waiting: { notes: [[440, 0, 0.2]], every: 3.5, loudness: 0.06 },
  ringback: { notes: [[425, 0, 1]], every: 5, loudness: 0.05 },
  end: {
    notes: [
      [480, 0, 0.16],
      [380, 0.18, 0.22]
    ],
    every: 0,
    loudness: 0.08
  }
}

/** Plays a tone until the returned function is called. Silent where the browser plays nothing before a click. */
export function play(tone: Tone): () => void {
  if (typeof AudioContext === 'undefined') return () => undefined
  const { notes, every, loudness } = TONES[tone]
  const context = new AudioContext()
  const once = (): void => {
    for (const [frequency, at, length] of notes) {
      const start = context.currentTime + at
      const oscillator = new OscillatorNode(context, { frequency })
      const gain = new GainNode(context, { gain: 0 })
      gain.gain.setValueAtTime(0, start)
      gain.gain.linearRampToValueAtTime(loudness, start + 0.02)
      gain.gain.setValueAtTime(loudness, start + length - 0.04)
      gain.gain.linearRampToValueAtTime(0, start + length)
      oscillator.connect(gain).connect(context.destination)
      oscillator.start(start)
      oscillator.stop(start + length)
    }
  }
  const begin = (): void => {
    void context.resume().catch(() => undefined)
  }
  begin()
  once()
  const timer = every ? setInterval(once, every * 1000) : setTimeout(() => void context.close(), 1500)
  addEventListener('pointerdown', begin, { once: true })
  return () => {
    clearInterval(timer)
    removeEventListener('pointerdown', begin)
    if (context.state !== 'closed' && tone !== 'end') void context.close()
  }
}
