package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"redoubt/internal/cli"
	"redoubt/internal/fault"
	"redoubt/internal/lab/probe"
)

// What the demo serves, and where.
const (
	demoName    = "demo"
	demoAddress = "10.77.0.100"
	demoPort    = "8080"
	demoConfig  = etcDir + "/demo-nginx.conf"
)

// demoNginx is a web server that tells the name of the machine it runs on.
const demoNginx = `daemon off;
pid /run/demo-nginx.pid;
error_log /var/log/redoubt/demo-nginx.log;
worker_processes 1;
events { worker_connections 512; }
http {
	access_log off;
	server {
		listen ` + demoAddress + ":" + demoPort + `;
		location / { default_type text/plain; return 200 "$hostname\n"; }
	}
}
`

func (v verbs) demo() *cobra.Command {
	o := Options{}
	c := &cobra.Command{
		Use: "demo [flags]", Short: "Show a web service that outlives the machine it runs on", Args: none,
		Long: "Show a web service that outlives the machine it runs on: make a lab with a cluster, run nginx in it under a logical hostname, kill the node it\n" +
			"runs on, draw who answered when, switch it back, and take everything down. Every command is shown before it runs.",
		Example: "redoubt lab demo\nredoubt lab demo --profile fast",
		RunE: func(c *cobra.Command, _ []string) (err error) {
			if _, err := os.Stat("/usr/sbin/nginx"); err != nil {
				return fault.Errorf(fault.Unsupported, "lab demo: nginx is not installed; make install-deps installs it")
			}
			o.Name, o.Nodes, o.Program = demoName, 3, v.env.Executable
			if c.Flags().Changed("name") {
				o.Name, _ = c.Flags().GetString("name")
			} else if err := Remove(demoName); err != nil { // of a demo that was killed
				return err
			}
			d := &demo{env: v.env, style: style(v.env)}
			d.keep, _ = c.Flags().GetBool("keep")
			o.Progress = d.tell
			return d.run(c.Context(), o)
		},
	}
	c.Flags().StringVar(&o.Profile, "profile", "default", "timing of the cluster: default, fast or wan")
	c.Flags().StringVar(&o.Daemon, "daemon", "", "path of redoubtd; default: beside this program")
	c.Flags().Bool("keep", false, "leave the lab running at the end")
	return c
}

// demo is one run of the demonstration.
type demo struct {
	env   cli.Env
	style probe.Style
	keep  bool
	lab   *Lab
}

func (d *demo) paint(code, text string) string {
	if !d.style.Colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// tell shows commands as a terminal would, and everything else as a remark.
func (d *demo) tell(s string) {
	if host, command, ok := strings.Cut(s, "# "); ok && !strings.Contains(host, " ") {
		fmt.Fprintf(d.env.Stdout, "%s %s\n", d.paint("2", host+"#"), d.paint("1", command))
		return
	}
	fmt.Fprintln(d.env.Stdout, d.paint("2", "  ("+s+")"))
}

func (d *demo) chapter(s string) { fmt.Fprintf(d.env.Stdout, "\n%s\n", d.paint("1;4", s)) }

// show runs a command on a node with its output shown.
func (d *demo) show(ctx context.Context, node string, argv ...string) error {
	out, err := d.lab.command(ctx, node, argv...)
	fmt.Fprint(d.env.Stdout, out)
	return err
}

func (d *demo) run(ctx context.Context, o Options) (err error) {
	d.chapter("1. A cluster of three nodes on this machine")
	if d.lab, err = Up(ctx, o); err != nil {
		return err
	}
	d.lab.state.Progress = d.tell
	defer func() {
		if d.keep {
			d.tell("the lab stays; take it down: redoubt lab down --name " + o.Name)
			return
		}
		d.chapter("Taking everything down")
		d.tell("host# redoubt lab down --name " + o.Name)
		err = errors.Join(err, Remove(o.Name))
	}()
	d.chapter("2. A web service with an address of its own")
	if err := d.serve(ctx); err != nil {
		return err
	}
	d.chapter("3. The node it runs on dies")
	victim, away, err := d.disaster(ctx)
	if err != nil {
		return err
	}
	d.chapter("4. The node comes back, and the service is switched to it")
	moved, err := d.back(ctx, victim)
	if err != nil {
		return err
	}
	double := "nobody served twice"
	if away.Double != nil || moved.Double != nil {
		double = "BUT TWO SERVED AT ONCE"
		err = fault.Errorf(fault.Precondition, "lab demo: two nodes served the same address at once")
	}
	fmt.Fprintf(d.env.Stdout, "\n%s\n", d.paint("1", fmt.Sprintf("The service was away for %.2f s when %s died, and for %.2f s when it was switched back; %s.",
		away.Outage().Length.Seconds(), victim, moved.Outage().Length.Seconds(), double)))
	return err
}

// serve makes the service and shows it running.
func (d *demo) serve(ctx context.Context) error {
	for _, n := range d.lab.Nodes() {
		path := filepath.Join(d.lab.Disk(n), "etc", filepath.Base(demoConfig))
		if err := os.WriteFile(path, []byte(demoNginx), 0o644); err != nil {
			return fault.Errorf(fault.Internal, "lab demo: %w", err)
		}
	}
	nodes := strings.Join(d.lab.Nodes(), ",")
	for _, argv := range [][]string{
		{"redoubt", "type", "register", "redoubt.gds"},
		{"redoubt", "group", "create", "-n", nodes, "web-rg"},
		{"redoubt", "resource", "create-logicalhostname", "-g", "web-rg", "--address", demoAddress + "/24", "web-ip"},
		{"redoubt", "resource", "create", "-g", "web-rg", "-t", "redoubt.gds", "-p", "Start_command=nginx -c " + demoConfig, "-p", "Port_list=" + demoPort + "/tcp", "web"},
		{"redoubt", "group", "online", "-eM", "web-rg"},
		{"redoubt", "status"},
	} {
		if err := d.show(ctx, d.lab.Nodes()[0], argv...); err != nil {
			return err
		}
	}
	return nil
}

// watch is a probe in the background.
type watch struct {
	stop  context.CancelFunc
	done  chan struct{}
	res   *ProbeResult
	err   error
	mu    sync.Mutex
	last  string // who answered last
	count int    // how often it has since it is it
}

func (d *demo) watch(ctx context.Context) *watch {
	ctx, stop := context.WithCancel(ctx)
	w := &watch{stop: stop, done: make(chan struct{})}
	address := demoAddress + ":" + demoPort
	d.tell("client# redoubt lab probe --name " + d.lab.Name() + " " + address + " --every 5ms &")
	go func() {
		defer close(w.done)
		w.res, w.err = d.lab.Probe(ctx, probe.Options{Address: address, Each: w.each})
	}()
	return w
}

func (w *watch) each(a probe.Attempt) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch a.Answer {
	case "":
	case w.last:
		w.count++
	default:
		w.last, w.count = a.Answer, 1
	}
}

// steady waits until one that is wanted, any when ok is nil, has answered for a while.
func (w *watch) steady(ctx context.Context, ok func(string) bool) (who string, err error) {
	err = poll(ctx, 30*time.Second, func() (string, error) {
		select {
		case <-w.done:
			return "", errors.Join(w.err, fault.Errorf(fault.Internal, "the probe ended"))
		default:
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		who = w.last
		if w.last == "" || w.count < 200 || ok != nil && !ok(w.last) {
			return fmt.Sprintf("the service at %s:%s does not answer steadily", demoAddress, demoPort), nil
		}
		return "", nil
	})
	return who, err
}

func (w *watch) end() (*ProbeResult, error) {
	w.stop()
	<-w.done
	return w.res, w.err
}

// disaster kills the node that serves, and shows what the client saw.
func (d *demo) disaster(ctx context.Context) (victim string, res *ProbeResult, err error) {
	w := d.watch(ctx)
	defer w.stop()
	if victim, err = w.steady(ctx, nil); err != nil {
		return victim, nil, err
	}
	d.tell("host# redoubt lab kill --name " + d.lab.Name() + " " + victim)
	if _, err := d.lab.Kill(victim); err != nil {
		return victim, nil, err
	}
	if _, err := w.steady(ctx, func(who string) bool { return who != victim }); err != nil {
		return victim, nil, err
	}
	if res, err = w.end(); err != nil {
		return victim, nil, err
	}
	fmt.Fprintln(d.env.Stdout)
	res.Draw(d.env.Stdout, d.style)
	fmt.Fprintln(d.env.Stdout)
	return victim, res, d.show(ctx, d.alive(victim), "redoubt", "status")
}

// alive is a node other than the one that died.
func (d *demo) alive(dead string) string {
	nodes := slices.DeleteFunc(d.lab.Nodes(), func(n string) bool { return n == dead })
	return nodes[0]
}

// back starts the dead node again and switches the service to it.
func (d *demo) back(ctx context.Context, victim string) (*ProbeResult, error) {
	d.tell("host# redoubt lab start --name " + d.lab.Name() + " " + victim)
	if err := d.lab.Start(ctx, victim); err != nil {
		return nil, err
	}
	if err := d.lab.Settle(ctx); err != nil {
		return nil, err
	}
	w := d.watch(ctx)
	defer w.stop()
	if _, err := w.steady(ctx, nil); err != nil {
		return nil, err
	}
	if err := d.show(ctx, d.alive(victim), "redoubt", "group", "switch", "-n", victim, "web-rg"); err != nil {
		return nil, err
	}
	if _, err := w.steady(ctx, func(who string) bool { return who == victim }); err != nil {
		return nil, err
	}
	res, err := w.end()
	if err != nil {
		return nil, err
	}
	fmt.Fprintln(d.env.Stdout)
	res.Draw(d.env.Stdout, d.style)
	return res, nil
}
