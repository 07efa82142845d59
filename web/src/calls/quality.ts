/** How well a call is heard, from the browser's statistics (W3C webrtc-stats). */

/** 3: good; 2: some loss; 1: bad; 0: nothing arrives. */
export type Quality = 0 | 1 | 2 | 3

export interface Measured {
  quality: Quality
  /** There is too little room for a picture beside the voice; undefined: it is not known. */
  narrow: boolean | undefined
}

/** A picture is stopped below, and sent again above, in bits per second that can be sent. */
const TOO_NARROW = 70_000
const WIDE_ENOUGH = 150_000

interface Counted {
  received: number
  lost: number
}

export class QualityMeter {
  private before: Counted | undefined
  private silent = 0

  async measure(pc: RTCPeerConnection): Promise<Measured> {
    let [received, lost, rtt] = [0, 0, 0]
    let room: number | undefined
    let theirLoss = 0
    for (const one of (await pc.getStats()).values() as Iterable<Record<string, unknown>>) {
      const number = (name: string): number => (typeof one[name] === 'number' ? one[name] : 0)
      if (one['type'] === 'inbound-rtp' && one['kind'] === 'audio') {
        received += number('packetsReceived')
        lost += number('packetsLost')
      } else if (one['type'] === 'remote-inbound-rtp' && one['kind'] === 'audio') {
        theirLoss = Math.max(theirLoss, number('fractionLost'))
        rtt = Math.max(rtt, number('roundTripTime'))
      } else if (
        one['type'] === 'candidate-pair' &&
        one['nominated'] === true &&
        one['state'] === 'succeeded'
      ) {
        rtt = Math.max(rtt, number('currentRoundTripTime'))
        if (typeof one['availableOutgoingBitrate'] === 'number') room = one['availableOutgoingBitrate']
      }
    }
    const last = this.before ?? { received, lost }
    this.before = { received, lost }
    const came = received - last.received
    const missing = Math.max(0, lost - last.lost)
    // with DTX, little arrives while nobody speaks
    this.silent = came > 0 ? 0 : this.silent + 1
    const loss = Math.max(theirLoss, came + missing > 0 ? missing / (came + missing) : 0)
    const narrow =
      room === undefined ? undefined : room < TOO_NARROW ? true : room > WIDE_ENOUGH ? false : undefined
    return { quality: grade(loss, rtt, this.silent), narrow }
  }
}

export function grade(loss: number, rtt: number, silent: number): Quality {
  if (silent >= 4) return 0
  if (loss > 0.1 || rtt > 0.8) return 1
  if (loss > 0.03 || rtt > 0.4) return 2
  return 3
}
