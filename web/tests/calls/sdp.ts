/** Descriptions as browsers make them, shortened. */
export const PRINT =
  '12:34:56:78:9A:BC:DE:F0:12:34:56:78:9A:BC:DE:F0:12:34:56:78:9A:BC:DE:F0:12:34:56:78:9A:BC:DE:F0'

export function sdp(setup = 'actpass', video = true): string {
  const common = (mid: string) => [
    'c=IN IP4 0.0.0.0',
    'a=rtcp:9 IN IP4 0.0.0.0',
    'a=ice-ufrag:abCD',
    'a=ice-pwd:abcdefghijklmnopqrstuvwx',
    'a=ice-options:trickle',
    `a=fingerprint:sha-256 ${PRINT}`,
    `a=setup:${setup}`,
    `a=mid:${mid}`
  ]
  return [
    'v=0',
    'o=- 1 2 IN IP4 127.0.0.1',
    's=-',
    't=0 0',
    `a=group:BUNDLE 0${video ? ' 1' : ''}`,
    'a=extmap-allow-mixed',
    'm=audio 9 UDP/TLS/RTP/SAVPF 111 63 0',
    ...common('0'),
    'a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level',
    'a=sendrecv',
    'a=msid:- track',
    'a=rtcp-mux',
    'a=rtpmap:111 opus/48000/2',
    'a=rtcp-fb:111 transport-cc',
    'a=fmtp:111 minptime=10;useinbandfec=1',
    'a=rtpmap:63 red/48000/2',
    'a=fmtp:63 111/111',
    'a=rtpmap:0 PCMU/8000',
    'a=ssrc:1001 cname:someone',
    ...(video
      ? [
          'm=video 9 UDP/TLS/RTP/SAVPF 96 97',
          ...common('1'),
          'a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid',
          'a=recvonly',
          'a=rtcp-mux',
          'a=rtcp-rsize',
          'a=rtpmap:96 VP8/90000',
          'a=rtcp-fb:96 nack pli',
          'a=rtcp-fb:96 goog-remb',
          'a=rtpmap:97 rtx/90000',
          'a=fmtp:97 apt=96',
          'a=ssrc-group:FID 2001 2002',
          'a=ssrc:2001 cname:someone',
          'a=ssrc:2002 cname:someone'
        ]
      : []),
    ''
  ].join('\r\n')
}
