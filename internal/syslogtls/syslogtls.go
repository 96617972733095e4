// Package syslogtls connects to collectors of logs over TLS, as RFC 5425 has it: the collector's certificate is verified against an authority that the
// administrator gave, and no other; as everywhere in the cluster the version is TLS 1.3.
package syslogtls

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"strings"
	"time"

	"redoubt/internal/fault"
)

// writeLimit is how long a collector may keep a write waiting.
const writeLimit = 10 * time.Second

// Dialer connects to collectors.
type Dialer struct{}

// Dial connects to server, whose certificate has to be for name, or for the server's host if that is empty, and be signed by authority (PEM).
func (Dialer) Dial(ctx context.Context, server, name, authority string) (io.ReadWriteCloser, error) {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(authority)) {
		return nil, fault.Errorf(fault.Invalid, "collector %s: there is no authority to verify it with; set it with `redoubt log set-forward -p ca=FILE`", server)
	}
	host, _, err := net.SplitHostPort(server)
	if err != nil {
		return nil, fault.Errorf(fault.Invalid, "collector %q: want HOST:PORT", server)
	}
	if name == "" {
		name = host
	}
	d := tls.Dialer{NetDialer: &net.Dialer{KeepAlive: 5 * time.Second}, Config: &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: roots, ServerName: name}}
	conn, err := d.DialContext(ctx, "tcp", server)
	if err != nil && strings.Contains(err.Error(), "protocol version") { // the library has no type for it, whichever side says so
		return nil, fault.Errorf(fault.Unavailable, "collector %s: it does not speak TLS 1.3, and nothing older is spoken here; upgrade it, or send to a relay that speaks both: %w", server, err)
	}
	if err != nil {
		return nil, fault.Errorf(fault.Unavailable, "collector %s: %w", server, err)
	}
	return patient{conn}, nil
}

// patient lets no write wait for ever.
type patient struct{ net.Conn }

// Write implements io.Writer.
func (p patient) Write(b []byte) (int, error) {
	if err := p.SetWriteDeadline(time.Now().Add(writeLimit)); err != nil {
		return 0, err
	}
	return p.Conn.Write(b)
}
