// Package client is the Go client of the API: the command line, the daemons among themselves and the tests use it. Every error it returns is
// a *fault.Error: the one the daemon answered with, or one that says what is between here and the daemon.
package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	v1 "redoubt/api/v1"
	"redoubt/internal/fault"
)

// Bounds of one exchange. How long an operation may take is up to the caller's context and the daemon.
const (
	dialTimeout = 5 * time.Second
	maxAnswer   = 256 << 20
)

// Client speaks to one daemon. It may be used from many goroutines.
type Client struct {
	http  *http.Client
	base  string
	where string // for errors: the socket or the address

	session string // of a role that was assumed: see v1.SessionHeader
	bearer  string // the token of the session by which the caller is known
}

// InSession is a client that is known by the token of a session (see v1.SessionOpen), in place of a certificate.
func (c *Client) InSession(token string) *Client {
	in := *c
	in.bearer = token
	return &in
}

// InRole is a client that asks in the role whose session has the token.
func (c *Client) InRole(token string) *Client {
	in := *c
	in.session = token
	return &in
}

// Unix makes a client of the daemon that listens on a unix socket. Nothing is connected before the first call.
func Unix(path string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		d := net.Dialer{Timeout: dialTimeout}
		return d.DialContext(ctx, "unix", path)
	}
	return &Client{http: &http.Client{Transport: &http.Transport{DialContext: dial, MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute}}, base: "http://redoubt", where: path}
}

// TLS makes a client of the daemon at an address, host:port. The configuration says whom to believe and who we are; TLS 1.3 is always used.
func TLS(addr string, cfg *tls.Config) *Client {
	cfg = cfg.Clone()
	cfg.MinVersion = tls.VersionTLS13
	d := net.Dialer{Timeout: dialTimeout}
	return &Client{http: &http.Client{Transport: &http.Transport{
		DialContext: d.DialContext, TLSClientConfig: cfg, TLSHandshakeTimeout: dialTimeout, MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute,
	}}, base: "https://" + addr, where: addr}
}

// Over makes a client that uses one connection, which somebody else made, and no other. When it breaks, the client is of no more use.
func Over(conn net.Conn, where string) *Client {
	taken := make(chan net.Conn, 1)
	taken <- conn
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		select {
		case c := <-taken:
			return c, nil
		default:
			return nil, fault.Errorf(fault.Unavailable, "the connection to %s is used up", where)
		}
	}
	return &Client{http: &http.Client{Transport: &http.Transport{DialContext: dial, MaxConnsPerHost: 1}}, base: "http://redoubt", where: where}
}

// Close closes the connections that wait for another call.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Do carries out an operation, any of them: in is the operation's input of api/v1 (or whatever gives the same JSON), out takes its output. Nil means none.
func (c *Client) Do(ctx context.Context, noun, verb string, in, out any) error {
	body := []byte("{}")
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return fault.Errorf(fault.Invalid, "%s %s: the input has no JSON form: %w", noun, verb, err)
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url(noun, verb, nil), bytes.NewReader(body))
	if err != nil {
		return fault.Errorf(fault.Invalid, "%s %s: %w", noun, verb, err)
	}
	req.Header.Set("Content-Type", "application/json")
	return c.exchange(req, noun, verb, out)
}

// Get carries out an operation that only reads. An input that has no form in a query goes the way of Do.
func (c *Client) Get(ctx context.Context, noun, verb string, in, out any) error {
	query, err := values(in)
	if errors.Is(err, errNoQuery) {
		return c.Do(ctx, noun, verb, in, out)
	}
	if err != nil {
		return fault.Errorf(fault.Invalid, "%s %s: %w", noun, verb, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url(noun, verb, query), nil)
	if err != nil {
		return fault.Errorf(fault.Invalid, "%s %s: %w", noun, verb, err)
	}
	return c.exchange(req, noun, verb, out)
}

// Download copies what an operation streams into w and tells progress how much there is so far, of how much; total is -1 while
// nobody knows. A stream that breaks off is an error: what w got is then incomplete.
func (c *Client) Download(ctx context.Context, noun, verb string, w io.Writer, progress func(done, total int64)) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url(noun, verb, nil), nil)
	if err != nil {
		return fault.Errorf(fault.Invalid, "%s %s: %w", noun, verb, err)
	}
	resp, err := c.send(req, noun, verb)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var done int64
	buf := make([]byte, 128<<10)
	for {
		n, err := resp.Body.Read(buf)
		if n > 0 {
			if _, werr := w.Write(buf[:n]); werr != nil {
				return fault.Errorf(fault.Internal, "%s %s: write what the daemon sends: %w", noun, verb, werr)
			}
			done += int64(n)
			if progress != nil {
				progress(done, resp.ContentLength)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return c.broken(req, noun, verb, err)
		}
	}
}

func (c *Client) url(noun, verb string, query url.Values) string {
	u := c.base + "/v1/" + url.PathEscape(noun) + "/" + url.PathEscape(verb)
	if len(query) > 0 {
		u += "?" + query.Encode()
	}
	return u
}

func (c *Client) exchange(req *http.Request, noun, verb string, out any) error {
	resp, err := c.send(req, noun, verb)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return c.broken(req, noun, verb, err)
	}
	if out == nil || len(bytes.TrimSpace(answer)) == 0 {
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fault.Errorf(fault.Internal, "%s %s: the answer of the daemon at %s can not be read; are both of the same version? %w", noun, verb, c.where, err)
	}
	return nil
}

// send sends a request and turns everything but a success into an error.
func (c *Client) send(req *http.Request, noun, verb string) (*http.Response, error) {
	if c.session != "" {
		req.Header.Set(v1.SessionHeader, c.session)
	}
	if c.bearer != "" {
		req.Header.Set("Authorization", "Bearer "+c.bearer)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreached(req, noun, verb, err)
	}
	if resp.StatusCode/100 == 2 {
		return resp, nil
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	var e struct {
		Code            fault.Code
		Message, Detail string
	}
	if json.Unmarshal(body, &e) != nil || e.Message == "" {
		return nil, fault.Errorf(fault.Internal, "%s %s: %s answered %s, not as a daemon of Redoubt does", noun, verb, c.where, resp.Status)
	}
	return nil, &fault.Error{Code: e.Code, Text: e.Message, Detail: e.Detail}
}

// unreached says why there was no answer.
func (c *Client) unreached(req *http.Request, noun, verb string, err error) error {
	ctx := req.Context()
	op, dialing := errors.AsType[*net.OpError](err)
	dialing = dialing && op.Op == "dial"
	switch {
	case errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPERM):
		return fault.Errorf(fault.Denied, "%s %s: user %d may not use %s; run the command as root", noun, verb, os.Geteuid(), c.where)
	case ctx.Err() == nil && (errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOENT)):
		return fault.Errorf(fault.Unavailable, "%s %s: nobody answers at %s; is redoubtd running? (`systemctl status redoubtd` or its log says more)", noun, verb, c.where)
	case ctx.Err() == nil && dialing:
		return fault.Errorf(fault.Unavailable, "%s %s: can not reach the daemon at %s: %w", noun, verb, c.where, op.Err)
	}
	return c.broken(req, noun, verb, err)
}

// broken says what it means that an exchange ended in the middle: of a change nobody knows whether the daemon carries it out.
func (c *Client) broken(req *http.Request, noun, verb string, err error) error {
	ctx, reads := req.Context(), req.Method == http.MethodGet
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	gone := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
	switch {
	case reads && ctx.Err() != nil:
		return fault.Errorf(fault.Timeout, "%s %s: no whole answer from %s in time", noun, verb, c.where)
	case reads && gone:
		return fault.Errorf(fault.Unavailable, "%s %s: the daemon at %s went away before it had answered whole; try again", noun, verb, c.where)
	case errors.Is(ctx.Err(), context.Canceled):
		return fault.Errorf(fault.Timeout, "%s %s: interrupted; the daemon may go on with it, `redoubt status` shows", noun, verb)
	case ctx.Err() != nil:
		return fault.Errorf(fault.Timeout, "%s %s: no answer from %s in time; the daemon may go on with it, `redoubt status` shows", noun, verb, c.where)
	case gone:
		return fault.Errorf(fault.Timeout, "%s %s: the daemon at %s went away before it had answered; whether it was done is unknown, `redoubt status` shows", noun, verb, c.where)
	}
	return fault.Errorf(fault.Unavailable, "%s %s: speak to the daemon at %s: %w", noun, verb, c.where, err)
}

var errNoQuery = errors.New("no form in a query")

// values writes an input as a query: each field under its JSON name, the elements of a list with commas between them.
func values(in any) (url.Values, error) {
	query := url.Values{}
	if in == nil {
		return query, nil
	}
	text, err := json.Marshal(in)
	if err != nil {
		return nil, fmt.Errorf("the input has no JSON form: %w", err)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, fmt.Errorf("the input is not an object: %w", err)
	}
	for name, raw := range fields {
		var v any
		if err := json.Unmarshal(raw, &v); err != nil {
			return nil, fmt.Errorf("field %s: %w", name, err)
		}
		switch v := v.(type) {
		case nil:
		case []any:
			words := make([]string, len(v))
			for i, e := range v {
				word, ok := e.(string)
				if !ok || word == "" || strings.ContainsRune(word, ',') {
					return nil, errNoQuery
				}
				words[i] = word
			}
			if len(words) > 0 {
				query.Set(name, strings.Join(words, ","))
			}
		case string:
			query.Set(name, v)
		case bool, float64:
			query.Set(name, string(raw))
		default:
			return nil, errNoQuery
		}
	}
	return query, nil
}
