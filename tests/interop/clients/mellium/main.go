// Writes and reads chat messages with mellium: jid, password, host:port, a file with the root certificate, peer.
//
// Each line of standard input is sent to the peer. It says "online JID" after each login, and "message TEXT" for
// each message. It logs in again when the connection is lost, and ends with standard input.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/xml"
	"fmt"
	"net"
	"os"
	"time"

	"mellium.im/sasl"
	"mellium.im/xmlstream"
	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"
)

type message struct {
	stanza.Message
	Body string `xml:"body"`
}

func main() {
	if err := run(os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(address, password, server, root, other string) error {
	me, err := jid.Parse(address)
	if err != nil {
		return err
	}
	peer, err := jid.Parse(other)
	if err != nil {
		return err
	}
	pem, err := os.ReadFile(root)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	session, err := logIn(me, password, server, roots)
	if err != nil {
		return err
	}
	lines := make(chan string)
	go func() {
		scanner := bufio.NewScanner(os.Stdin)
		for scanner.Scan() {
			lines <- scanner.Text()
		}
		close(lines)
	}()
	for {
		ended := make(chan struct{})
		go func(session *xmpp.Session) {
			err := session.Serve(xmpp.HandlerFunc(show))
			fmt.Fprintln(os.Stderr, "connection lost:", err)
			close(ended)
		}(session)
		if !write(session, peer, lines, ended) {
			return session.Close()
		}
		session.Conn().Close()
		for session = nil; session == nil; {
			time.Sleep(200 * time.Millisecond)
			if session, err = logIn(me, password, server, roots); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		}
	}
}

// write sends lines until the connection has ended, or, with false, until there are no more.
func write(session *xmpp.Session, peer jid.JID, lines <-chan string, ended <-chan struct{}) bool {
	for {
		select {
		case <-ended:
			return true
		case line, more := <-lines:
			if !more {
				return false
			}
			sent := message{Message: stanza.Message{To: peer, Type: stanza.ChatMessage}, Body: line}
			if err := session.Encode(context.Background(), sent); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		}
	}
}

func show(t xmlstream.TokenReadEncoder, start *xml.StartElement) error {
	if start.Name.Local != "message" {
		return nil
	}
	received := message{}
	decoder := xml.NewTokenDecoder(xmlstream.MultiReader(xmlstream.Token(*start), t))
	if _, err := decoder.Token(); err != nil {
		return err
	}
	if err := decoder.DecodeElement(&received, start); err != nil {
		return err
	}
	if received.Body != "" {
		fmt.Println("message", received.Body)
	}
	return nil
}

func logIn(me jid.JID, password, server string, roots *x509.CertPool) (*xmpp.Session, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	conn, err := net.Dial("tcp", server)
	if err != nil {
		return nil, err
	}
	session, err := xmpp.NewClientSession(ctx, me, conn,
		xmpp.StartTLS(&tls.Config{ServerName: me.Domain().String(), RootCAs: roots}),
		xmpp.SASL("", password, sasl.ScramSha256Plus, sasl.ScramSha1Plus, sasl.ScramSha256, sasl.ScramSha1),
		xmpp.BindResource(),
	)
	if err != nil {
		conn.Close()
		return nil, err
	}
	if err := session.Send(ctx, stanza.Presence{}.Wrap(nil)); err != nil {
		return nil, err
	}
	fmt.Println("online", session.LocalAddr())
	return session, nil
}
