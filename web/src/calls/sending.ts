/** What is sent, and what goes first if there is not room for everything: the voice. */

/** Bits in a second for a picture, where there is room. */
export const PICTURE_BITS = 1_500_000
export const SCREEN_BITS = 2_500_000
const VOICE_BITS = 40_000

/** Codecs of pictures that are offered, the preferred first. VP8 costs a phone least where no chip helps. */
const PICTURE_CODECS = ['video/vp8', 'video/h264', 'video/vp9', 'video/av1']
const BESIDE = ['video/rtx', 'video/red', 'video/ulpfec']
/** The profiles that others have: everything else of the same codec is left out. */
const PROFILES = /profile-level-id=42[ce]01f|profile-id=0|profile=0/

/** Leaves out what nobody uses, so that descriptions stay short. */
export function preferCodecs(pc: RTCPeerConnection): void {
  for (const transceiver of pc.getTransceivers()) {
    if (transceiver.receiver.track.kind !== 'video' || transceiver.currentDirection) continue
    const all = RTCRtpReceiver.getCapabilities('video')?.codecs ?? []
    const wanted = PICTURE_CODECS.flatMap((type) => {
      const found = all.filter(({ mimeType }) => mimeType.toLowerCase() === type)
      return found.filter(({ sdpFmtpLine = '' }) => !sdpFmtpLine || PROFILES.test(sdpFmtpLine)).slice(0, 2)
    })
    const beside = all.filter(({ mimeType }) => BESIDE.includes(mimeType.toLowerCase()))
    try {
      if (wanted.length > 0) transceiver.setCodecPreferences([...wanted, ...beside])
    } catch (error) {
      console.debug('the browser’s own codecs', (error as Error).name)
    }
  }
}

/** Voice has a higher priority in the browser and in the network (RFC 8835 §4.2), and pictures a limit. */
export async function voiceFirst(pc: RTCPeerConnection, pictureBits = PICTURE_BITS): Promise<void> {
  for (const sender of pc.getSenders()) {
    const parameters = sender.getParameters()
    const kind = pc.getTransceivers().find((one) => one.sender === sender)?.receiver.track.kind
    if (parameters.encodings.length === 0) continue
    for (const encoding of parameters.encodings) {
      if (kind === 'audio') {
        Object.assign(encoding, { priority: 'high', networkPriority: 'high', maxBitrate: VOICE_BITS })
      } else Object.assign(encoding, { priority: 'low', networkPriority: 'low', maxBitrate: pictureBits })
    }
    await sender.setParameters(parameters).catch((error: unknown) => {
      console.debug('no priorities', (error as Error).name)
    })
  }
}

/** Whether a picture is sent at all. The voice needs what is left of a narrow connection. */
export async function sendPicture(sender: RTCRtpSender, on: boolean): Promise<void> {
  const parameters = sender.getParameters()
  if (parameters.encodings.every(({ active }) => active === on)) return
  for (const encoding of parameters.encodings) encoding.active = on
  await sender.setParameters(parameters).catch((error: unknown) => {
    console.debug('the picture goes on', (error as Error).name)
  })
}
