package daemon

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func configured(t *testing.T, text string) (Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "redoubtd.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return LoadConfig(path)
}

// What is served without protection is served to this machine only, and to nobody unless the configuration asks for it.
func TestMetricsAddress(t *testing.T) {
	for text, good := range map[string]bool{
		"": true, "metrics: 127.0.0.1:7410": true, "metrics: '[::1]:7410'": true,
		"metrics: 0.0.0.0:7410": false, "metrics: 10.0.0.1:7410": false, "metrics: localhost:7410": false, "metrics: :7410": false, "metrics: true": false,
	} {
		c, err := configured(t, text)
		if (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
		if err != nil && !strings.Contains(err.Error(), "a loopback address and a port, such as 127.0.0.1:7410") {
			t.Errorf("%q: unclear: %v", text, err)
		}
		if text == "" && c.Metrics != "" {
			t.Errorf("metrics are on by themselves: %q", c.Metrics)
		}
	}
}

func TestMetricsAreServed(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := free.Addr().String()
	free.Close()
	dir := t.TempDir()
	cfg, err := configured(t, "node: n1\nmetrics: "+addr+"\ndataDir: "+dir+"\nrunDir: "+dir+"\nlogDir: "+dir+"\netcDir: "+dir+"\n")
	if err != nil {
		t.Fatal(err)
	}
	d, err := New(cfg, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); d.serveMetrics(ctx) }()
	defer func() { stop(); <-done }()
	client := http.Client{Timeout: time.Second}
	for deadline := time.Now().Add(10 * time.Second); ; {
		resp, err := client.Get("http://" + addr + "/metrics")
		if err == nil {
			body, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if resp.StatusCode != http.StatusOK || !strings.Contains(string(body), "redoubt_") {
				t.Errorf("%s: %.200s", resp.Status, body)
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// Every key of the configuration is explained in the man page, and nothing else is.
func TestConfigurationIsExplained(t *testing.T) {
	var keys []string
	var walk func(reflect.Type, string)
	walk = func(s reflect.Type, prefix string) {
		for i := range s.NumField() {
			name, _, _ := strings.Cut(s.Field(i).Tag.Get("yaml"), ",")
			if name == "" || name == "-" || name == "test" { // that one is for tests alone
				continue
			}
			if f := s.Field(i).Type; f.Kind() == reflect.Struct {
				walk(f, prefix+name+".")
			} else {
				keys = append(keys, prefix+name)
			}
		}
	}
	walk(reflect.TypeFor[Config](), "")
	var explained []string
	for _, term := range configSection.terms {
		explained = append(explained, term[0])
	}
	slices.Sort(keys)
	slices.Sort(explained)
	if !slices.Equal(keys, explained) {
		t.Errorf("keys\n  %v\nexplained\n  %v", keys, explained)
	}
}

// The pages are what man can set, and -h says the same.
func TestManPages(t *testing.T) {
	pages := manPages()
	for _, name := range []string{"redoubtd.8", "redoubtd-quorum-server.8", "redoubtd-restore.8", "redoubtd-guard.8"} {
		for _, want := range []string{".TH ", ".SH NAME\n", ".SH SYNOPSIS\n", ".SH DESCRIPTION\n", ".SH EXAMPLE\n", ".SH SEE ALSO\n"} {
			if !strings.Contains(pages[name], want) {
				t.Errorf("%s has no %q", name, want)
			}
		}
	}
	var help strings.Builder
	if status := Main([]string{"restore", "-h"}, &help); status != 0 || !strings.Contains(help.String(), "-from SNAPSHOT") {
		t.Errorf("restore -h: %d, %s", status, help.String())
	}
	help.Reset()
	if status := Main([]string{"resotre"}, &help); status != 2 || !strings.Contains(help.String(), `"resotre" is no sub-program`) {
		t.Errorf("a wrong word: %d, %s", status, help.String())
	}
}
