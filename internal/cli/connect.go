package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"redoubt/api/client"
	v1 "redoubt/api/v1"
)

// daemon finds the daemon to speak to: the one --socket names, or $REDOUBT_SOCKET, or this machine's; and where this machine has none,
// a node of a lab that runs here.
func (e Env) daemon(c *cobra.Command) (Client, error) {
	if e.Client != nil {
		return e.Client()
	}
	if host := global(c, "host"); host != "" {
		r, err := e.host(c, host)
		if err != nil {
			return nil, err
		}
		return e.inRole(c, r)
	}
	path, _ := c.Flags().GetString("socket")
	client, err := e.dial(path)
	if r, ok := client.(remote); ok && err == nil {
		return e.inRole(c, r)
	}
	return client, err
}

// global is a flag of the program itself, also where a command has one of the same name.
func global(c *cobra.Command, name string) string {
	v, _ := c.Root().PersistentFlags().GetString(name)
	return v
}

func (e Env) dial(path string) (Client, error) {
	if e.Client != nil {
		return e.Client()
	}
	if path == "" {
		path = e.getenv("REDOUBT_SOCKET")
	}
	if path != "" {
		return remote{client.Unix(path)}, nil
	}
	if path = e.Socket; path == "" {
		path = DefaultSocket
	}
	if e.LabSockets != nil && absent(path) {
		for _, lab := range e.LabSockets() {
			if !absent(lab) {
				fmt.Fprintf(e.Stderr, "redoubt: no daemon runs on this machine itself; asking the lab's at %s\n", lab)
				return remote{client.Unix(lab)}, nil
			}
		}
	}
	return remote{client.Unix(path)}, nil
}

// absent reports whether certainly nobody answers at a socket. One that may not be used is there all the same.
func absent(path string) bool {
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		conn.Close()
	}
	return errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ECONNREFUSED)
}

// remote is a Client that speaks to a daemon.
type remote struct{ api *client.Client }

// Do implements Client.
func (r remote) Do(ctx context.Context, c Call) (json.RawMessage, error) {
	do := r.api.Do
	if c.Read {
		do = r.api.Get
	}
	var answer json.RawMessage
	err := do(ctx, c.Noun, c.Verb, c.Body, &answer)
	return answer, err
}

// Watch implements Watcher.
func (r remote) Watch(ctx context.Context) iter.Seq2[v1.Event, error] { return r.api.Watch(ctx) }

// Download implements Downloader.
func (r remote) Download(ctx context.Context, noun, verb string, w io.Writer, progress func(done, total int64)) error {
	return r.api.Download(ctx, noun, verb, w, progress)
}

// Names implements Lister.
func (r remote) Names(ctx context.Context, noun string) ([]string, error) {
	if noun == "interconnect" {
		var nets []v1.Interconnect
		err := r.api.Get(ctx, noun, "show", nil, &nets)
		names := make([]string, len(nets))
		for i, n := range nets {
			names[i] = n.Network
		}
		return names, err
	}
	var names []string
	err := r.api.Get(ctx, noun, "list", nil, &names)
	return names, err
}
