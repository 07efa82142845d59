/** How loud a track is, ten times in a second: from 0 to 1. Returns what ends that. */
export function loudnessOf(track: MediaStreamTrack, tell: (level: number) => void): () => void {
  const context = new AudioContext()
  const analyser = new AnalyserNode(context, { fftSize: 512 })
  new MediaStreamAudioSourceNode(context, { mediaStream: new MediaStream([track]) }).connect(analyser)
  const samples = new Float32Array(analyser.fftSize)
  const timer = setInterval(() => {
    analyser.getFloatTimeDomainData(samples)
    const power = samples.reduce((sum, one) => sum + one * one, 0) / samples.length
    // from -60 dB to -10 dB
    tell(power > 0 ? Math.min(1, Math.max(0, (10 * Math.log10(power) + 60) / 50)) : 0)
  }, 100)
  return () => {
    clearInterval(timer)
    void context.close()
  }
}
