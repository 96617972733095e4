package daemon

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"redoubt/api/client"
	v1 "redoubt/api/v1"
	"redoubt/internal/admission"
	"redoubt/internal/cluster"
	"redoubt/internal/control"
	"redoubt/internal/fault"
	"redoubt/internal/pki"
	"redoubt/internal/server"
)

// sponsorship is who may make this machine join: what `redoubt auth enable` wrote.
type sponsorship struct {
	Control     string    `json:"control"`
	Fingerprint string    `json:"fingerprint"` // of the control node's cluster
	Expires     time.Time `json:"expires"`
}

const (
	fileSponsor = "sponsor.json"
	authorised  = time.Hour        // how long an authorisation counts if nobody says how long
	inviteBody  = 16 << 10         // what a sponsor may send
	inviteLimit = 2 * time.Minute  // how long joining at its word may take
	dialLimit   = 10 * time.Second // connecting to a machine
)

// loadSponsorship reads who may make this machine join; nil when nobody may.
func (c Config) loadSponsorship(now time.Time) (*sponsorship, error) {
	b, err := os.ReadFile(c.path(fileSponsor))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "who may configure this machine: %w", err)
	}
	var s sponsorship
	if err := json.Unmarshal(b, &s); err != nil || !admission.IsFingerprint(s.Fingerprint) {
		return nil, fault.Errorf(fault.Internal, "%s is damaged; run `redoubt auth disable`, then `redoubt auth enable` again", c.path(fileSponsor))
	}
	if !now.Before(s.Expires) {
		return nil, nil
	}
	return &s, nil
}

// Key implements control.Sponsor.
func (d *Daemon) Key(context.Context) (v1.JoinKey, error) {
	key, err := d.cfg.joinKey()
	if err != nil {
		return v1.JoinKey{}, err
	}
	print, err := keyFingerprint(key.Public())
	return v1.JoinKey{Node: string(d.cfg.Node), Fingerprint: print}, err
}

// Auth implements control.Sponsor.
func (d *Daemon) Auth(ctx context.Context) (v1.Auth, error) {
	key, err := d.Key(ctx)
	if err != nil {
		return v1.Auth{}, err
	}
	out := v1.Auth{Node: key.Node, Key: key.Fingerprint}
	s, err := d.cfg.loadSponsorship(d.clock())
	if err != nil || s == nil {
		return out, err
	}
	out.Enabled, out.Control, out.Fingerprint, out.Expires = true, s.Control, s.Fingerprint, &s.Expires
	return out, nil
}

// Authorise implements control.Sponsor.
func (d *Daemon) Authorise(ctx context.Context, in *v1.AuthEnable) (v1.Result, error) {
	defer d.wake()
	if in == nil {
		if err := d.cfg.forgetSponsor(); err != nil {
			return v1.Result{}, err
		}
		return v1.Result{Messages: []string{"no node may make this machine join a cluster"}}, nil
	}
	if err := cluster.CheckName("node", in.Node); err != nil {
		return v1.Result{}, fault.Errorf(fault.Invalid, "auth enable: name the control node with -n: %w", err)
	}
	if in.Fingerprint == "" {
		// What it shows is no proof of anything; a person has to compare it.
		address := in.Address
		if address == "" {
			address = in.Node
		}
		shown, err := d.ask(ctx, address)
		if err != nil {
			return v1.Result{}, err
		}
		return v1.Result{}, fault.Errorf(fault.Precondition, "auth enable: %s shows the cluster fingerprint %s; if `redoubt cluster show` on %s prints the same, give it with --fingerprint", address, shown, in.Node)
	}
	if !admission.IsFingerprint(in.Fingerprint) {
		return v1.Result{}, fault.Errorf(fault.Invalid, "auth enable: %q is no fingerprint; `redoubt cluster show` on %s prints that of its cluster: SHA256: and 43 letters and digits", in.Fingerprint, in.Node)
	}
	life := authorised
	if in.Expires > 0 {
		life = time.Duration(in.Expires) * time.Second
	}
	s := sponsorship{Control: in.Node, Fingerprint: in.Fingerprint, Expires: d.clock().Add(life).UTC().Truncate(time.Second)}
	b, err := json.Marshal(s)
	if err != nil {
		return v1.Result{}, fault.Errorf(fault.Internal, "who may configure this machine: %w", err)
	}
	if err := writeFile(d.cfg.path(fileSponsor), append(b, '\n'), 0o600); err != nil {
		return v1.Result{}, err
	}
	key, err := d.Key(ctx)
	if err != nil {
		return v1.Result{}, err
	}
	return v1.Result{Messages: []string{
		"node " + in.Node + " may make this machine join its cluster until " + s.Expires.Format(time.RFC3339),
		"there: redoubt node add " + key.Node + " --fingerprint " + key.Fingerprint,
	}}, nil
}

// ask gives the fingerprint that a machine shows, unproved.
func (d *Daemon) ask(ctx context.Context, address string) (string, error) {
	dialer := tls.Dialer{NetDialer: &net.Dialer{Timeout: dialLimit}, Config: &tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true}} //nolint:gosec // nothing is sent, and nothing believed
	conn, err := dialer.DialContext(ctx, "tcp", withPort(address))
	if err != nil {
		return "", fault.Errorf(fault.Unavailable, "auth enable: %s can not be reached, so give the fingerprint of its cluster with --fingerprint: %w", address, err)
	}
	defer conn.Close()
	chain := conn.(*tls.Conn).ConnectionState().PeerCertificates //nolint:forcetypeassert // a tls.Dialer makes nothing else
	return pki.Fingerprint(chain[len(chain)-1]), nil
}

// withPort adds the usual port to an address that has none.
func withPort(address string) string {
	if _, _, err := net.SplitHostPort(address); err == nil {
		return address
	}
	return net.JoinHostPort(address, strconv.Itoa(cluster.PortAPI))
}

// forgetSponsor takes the authorisation away: it is for one join.
func (c Config) forgetSponsor() error {
	if err := os.Remove(c.path(fileSponsor)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fault.Errorf(fault.Internal, "take the authorisation of the control node back: %w", err)
	}
	return nil
}

// wake makes the daemon look anew at what it is.
func (d *Daemon) wake() {
	select {
	case d.changed <- struct{}{}:
	default:
	}
}

// await waits, in no cluster, until something changed; meanwhile it listens for the sponsor, if there is one, and for nobody else.
func (d *Daemon) await(ctx context.Context) error {
	s, err := d.cfg.loadSponsorship(d.clock())
	if err != nil {
		d.log.Error("no control node can configure this machine", "err", err)
	}
	if s == nil {
		select {
		case <-d.changed:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	over, cancel := context.WithTimeout(ctx, s.Expires.Sub(d.clock()))
	defer cancel()
	stop, err := d.listenForSponsor(ctx, *s)
	if err != nil {
		d.log.Error("the control node can not reach this machine", "err", err)
		stop = func() {}
	}
	defer stop()
	select {
	case <-d.changed:
	case <-over.Done():
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		d.log.Info("the authorisation of the control node is over; nobody can configure this machine over the network", "control", s.Control)
	}
	return nil
}

// listenForSponsor answers the authorised control node until stop is called. Who does not prove to be it gets nothing, not even this machine's name.
func (d *Daemon) listenForSponsor(ctx context.Context, s sponsorship) (stop func(), err error) {
	cfg, err := d.selfSigned()
	if err != nil {
		return nil, err
	}
	cfg.ClientAuth = tls.RequireAnyClientCert
	cfg.SessionTicketsDisabled = true
	cfg.NextProtos = []string{"http/1.1"}
	cfg.VerifyConnection = func(c tls.ConnectionState) error {
		return provenBy(c.PeerCertificates, s.Fingerprint, s.Control, x509.ExtKeyUsageClientAuth)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", d.cfg.Listen.API)
	if err != nil {
		return nil, fault.Errorf(fault.Unavailable, "listen for the control node on %s: %w", d.cfg.Listen.API, err)
	}
	d.holdsAPI.Store(true)
	requests, abandon := context.WithCancel(context.WithoutCancel(ctx))
	srv := &http.Server{
		Handler: http.HandlerFunc(d.invited), ReadHeaderTimeout: dialLimit, ReadTimeout: dialLimit, IdleTimeout: dialLimit, MaxHeaderBytes: inviteBody,
		ErrorLog: slog.NewLogLogger(d.log.Handler(), slog.LevelWarn), BaseContext: func(net.Listener) context.Context { return requests },
	}
	bound, known := server.Crowded(l, d.log)
	srv.ConnState = known
	go func() { _ = srv.Serve(tls.NewListener(bound, cfg)) }()
	d.log.Warn("the control node can make this machine join its cluster", "control", s.Control, "cluster", s.Fingerprint, "until", s.Expires, "address", d.cfg.Listen.API)
	return func() {
		_ = l.Close() // at once: this node's own API takes the address over
		d.holdsAPI.Store(false)
		go func() {
			// An answer may still be on its way to the sponsor.
			defer abandon()
			bounded, cancel := context.WithTimeout(requests, inviteLimit)
			defer cancel()
			_ = srv.Shutdown(bounded)
			_ = srv.Close()
		}()
	}, nil
}

// invited is the one request that a machine in no cluster answers over the network.
func (d *Daemon) invited(w http.ResponseWriter, r *http.Request) {
	leaf := r.TLS.PeerCertificates[0]
	who := control.Caller{Kind: control.CallerNode, Node: cluster.NodeName(leaf.Subject.CommonName), User: "node " + leaf.Subject.CommonName}
	var in v1.NodeConfigure
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, inviteBody))
	if err == nil {
		dec := json.NewDecoder(bytes.NewReader(body))
		dec.DisallowUnknownFields()
		err = dec.Decode(&in)
	}
	var out v1.Result
	switch {
	case r.Method != http.MethodPost || r.URL.Path != "/v1/node/configure":
		err = fault.Errorf(fault.Precondition, "this machine is in no cluster, and does nothing but join that of its control node")
	case err != nil:
		err = fault.Errorf(fault.Invalid, "node configure: the request can not be read; are both of the same version?")
	default:
		// The sponsor is where it calls from, whatever it says.
		host, _, herr := net.SplitHostPort(r.RemoteAddr)
		if _, port, perr := net.SplitHostPort(in.Sponsor); herr == nil && perr == nil {
			in.Sponsor = net.JoinHostPort(host, port)
		} else {
			in.Sponsor = withPort(host)
		}
		ctx, cancel := context.WithTimeout(r.Context(), inviteLimit)
		defer cancel()
		out, err = d.control.NodeConfigure(ctx, who, in)
	}
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		d.log.Warn("the control node was refused", "control", who.Node, "from", r.RemoteAddr, "why", err)
		w.WriteHeader(http.StatusConflict)
		_ = json.NewEncoder(w).Encode(map[string]string{"code": string(fault.CodeOf(err)), "message": err.Error()})
		return
	}
	_ = json.NewEncoder(w).Encode(out)
}

// selfSigned is the server side of a machine that has a key and no certificate. The certificate says nothing: who connects knows the key.
func (d *Daemon) selfSigned() (*tls.Config, error) {
	key, err := d.cfg.joinKey()
	if err != nil {
		return nil, err
	}
	now := d.clock()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "redoubt"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "certificate of this machine's key: %w", err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, nil
}

// provenBy reports whether a chain shows a certificate of the authority with the fingerprint, for the use, and for the name if one is given.
func provenBy(chain []*x509.Certificate, fingerprint, name string, use x509.ExtKeyUsage) error {
	if len(chain) < 2 {
		return fault.Errorf(fault.Denied, "the other side shows no certificate of a cluster")
	}
	authority := chain[len(chain)-1]
	if got := pki.Fingerprint(authority); got != fingerprint {
		return fault.Errorf(fault.Denied, "the sponsor's cluster has the fingerprint %s, not %s: this is not the cluster meant, or somebody is in between", got, fingerprint)
	}
	subject, err := pki.Roots{authority}.Verify(chain[0], time.Now(), use, pki.Node)
	if err != nil {
		return fault.Errorf(fault.Denied, "the other side does not prove to be a node of the cluster: %w", err)
	}
	if name != "" && subject.Name != name {
		return fault.Errorf(fault.Denied, "the other side is %s, not the control node %s", subject.Name, name)
	}
	return nil
}

// Invite implements control.Sponsor: nothing is sent before the machine has proved to hold the key, and its listener wants this node's certificate in turn.
func (d *Daemon) Invite(ctx context.Context, address, fingerprint string, in v1.NodeConfigure) (v1.Result, error) {
	n := d.node.Load()
	if n == nil {
		return v1.Result{}, fault.Errorf(fault.Unavailable, "this node is in no cluster")
	}
	own := n.cred().server(n.clock.Wall).Certificates
	cfg := &tls.Config{
		MinVersion: tls.VersionTLS13, GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &own[0], nil },
		InsecureSkipVerify: true, //nolint:gosec // VerifyConnection compares the key itself, which is all that is known of the machine
		VerifyConnection: func(s tls.ConnectionState) error {
			got, err := keyFingerprint(s.PeerCertificates[0].PublicKey)
			if err == nil && got != fingerprint {
				err = fault.Errorf(fault.Denied, "the machine at %s has the key %s, not %s: it is not the one meant, or somebody is in between", address, got, fingerprint)
			}
			return err
		},
	}
	in.Sponsor = net.JoinHostPort("", strconv.Itoa(n.apiPort()))
	var out v1.Result
	c := client.TLS(withPort(address), cfg)
	defer c.Close()
	bounded, cancel := context.WithTimeout(ctx, inviteLimit)
	defer cancel()
	err := c.Do(bounded, "node", "configure", in, &out)
	return out, err
}
