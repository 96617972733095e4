package server

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"redoubt/api/client"
	v1 "redoubt/api/v1"
	"redoubt/internal/fault"
	"redoubt/internal/pki"
	"redoubt/internal/server/servertest"
)

// strangers serves a cluster to whoever comes.
func strangers(t *testing.T) (addr string, cfg *tls.Config) {
	t.Helper()
	ca := authority(t)
	mine := certificate(t, ca, "n1", time.Now())
	c, _ := servertest.Cluster(t)
	s := New(Config{Control: c, Log: slog.New(slog.DiscardHandler), Grace: time.Second, TLS: func() *tls.Config {
		return &tls.Config{Certificates: []tls.Certificate{mine}, ClientCAs: pool(ca)}
	}})
	return onTLS(t, s), &tls.Config{RootCAs: pool(ca), MinVersion: tls.VersionTLS13, ServerName: "127.0.0.1", NextProtos: []string{"http/1.1"}}
}

// TestAProofHoldsForOneConnection sends a request to join over the connection that it was signed for, then what was captured there over another.
func TestAProofHoldsForOneConnection(t *testing.T) {
	addr, cfg := strangers(t)
	key, request, err := pki.NewRequest("n4")
	if err != nil {
		t.Fatal(err)
	}
	in := v1.NodeAdmit{Node: "n4", Request: request, HeartbeatKey: "k", Addresses: []string{"10.77.1.4/24"}, Keys: map[string]string{"b": "2", "a": "1"}}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	send := func(sign bool) error {
		conn, err := tls.Dial("tcp", addr, cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if sign {
			state := conn.ConnectionState()
			binding, err := state.ExportKeyingMaterial(v1.JoinBinding, nil, v1.JoinBindingLength)
			if err != nil {
				t.Fatal(err)
			}
			statement, err := in.Statement(binding)
			if err != nil {
				t.Fatal(err)
			}
			if in.Proof, err = ecdsa.SignASN1(rand.Reader, key, statement); err != nil {
				t.Fatal(err)
			}
		}
		return client.Over(conn, addr).Do(ctx, "node", "admit", in, nil)
	}
	if err := send(true); !fault.Is(err, fault.Denied) || !strings.Contains(err.Error(), "not on the access list") {
		t.Errorf("a proof was not accepted: %v", err)
	}
	if err := send(false); !fault.Is(err, fault.Denied) || !strings.Contains(err.Error(), "has not proved on this connection") {
		t.Errorf("a captured request was accepted: %v", err)
	}
}

// TestWhatAStrangerMaySend holds the bounds on a caller that has shown nothing.
func TestWhatAStrangerMaySend(t *testing.T) {
	addr, cfg := strangers(t)
	c := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{TLSClientConfig: cfg}}
	defer c.CloseIdleConnections()
	post := func(body []byte) (int, string) {
		resp, err := c.Post("https://"+addr+"/v1/node/admit", "application/json", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(text)
	}
	with := func(change func(in map[string]any)) []byte {
		in := map[string]any{"node": "n4", "request": "AAAA", "heartbeatKey": "", "addresses": []string{}}
		change(in)
		b, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for what, body := range map[string][]byte{
		"a body of 65 KB":          bytes.Repeat([]byte(" "), 65<<10),
		"a long name":              with(func(in map[string]any) { in["node"] = strings.Repeat("n", 300) }),
		"a long signing request":   with(func(in map[string]any) { in["request"] = strings.Repeat("AAAA", 2000) }),
		"a long token":             with(func(in map[string]any) { in["token"] = strings.Repeat("t", 300) }),
		"many addresses":           with(func(in map[string]any) { in["addresses"] = strings.Split(strings.Repeat("a,", 300), ",") }),
		"what is not known":        with(func(in map[string]any) { in["admin"] = true }),
		"a list where a name is":   with(func(in map[string]any) { in["node"] = []string{"n4"} }),
		"half a document":          []byte(`{"node":"n4"`),
		"a signing request of 3 B": with(func(map[string]any) {}),
	} {
		status, text := post(body)
		if status/100 != 4 || strings.Contains(text, "c0ffee") || strings.Contains(text, "n2") {
			t.Errorf("%s: %d %s", what, status, text)
		}
	}
}
