"""Text messages: the console and HTTP gateways, behind `kith.ports.sms.SMS`."""
