// Package daemon composes a node: it is the one place that knows every adapter. It starts the parts in their order, carries them through joins, planned
// restarts and the end of an incarnation, and stops them.
package daemon

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"go.yaml.in/yaml/v3"

	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/proc"
)

// Config is the node's own configuration, read from a file; everything about the cluster is in the repository.
type Config struct {
	Node   cluster.NodeName `yaml:"node"` // default: the host's name up to the first dot
	Host   string           `yaml:"host"` // how administrators reach this node; default: the host's name
	Data   string           `yaml:"dataDir"`
	Run    string           `yaml:"runDir"`
	Logs   string           `yaml:"logDir"`
	Etc    string           `yaml:"etcDir"` // resource types of this site, secrets of fence agents
	Types  []string         `yaml:"typeDirs"`
	Cgroup string           `yaml:"cgroup"` // absolute; the service cgroup is made in it; default: "redoubt" where cgroup2 is mounted
	Listen Listen           `yaml:"listen"`
	Log    LogConfig        `yaml:"log"`

	Metrics string `yaml:"metrics"` // loopback address and port that serves /metrics in plain HTTP; "": none

	Watchdog     string `yaml:"watchdog"`     // device; "none": not used; default /dev/watchdog where there is one
	OnUnkillable string `yaml:"onUnkillable"` // what the guard does when a process survives SIGKILL: report, watchdog, reboot
	QuorumServer bool   `yaml:"quorumServer"` // votes and runs nothing
	Methods      int    `yaml:"methods"`      // how many callback methods run at once; 0: as many as suit the processors

	Test TestConfig `yaml:"test"`
}

// Listen are the addresses that the daemon listens on beside the interconnect.
type Listen struct {
	API string `yaml:"api"` // ADDR:PORT; default :7401
}

// TestConfig is for tests of the program alone, and documented nowhere else: it makes waiting short.
type TestConfig struct {
	CertificateLife time.Duration `yaml:"certificateLife"` // of new certificates of nodes; 0: as long as usual
	Clock           string        `yaml:"clock"`           // a file with a duration by which the wall clock is off; looked at whenever the time is
	FenceAgents     string        `yaml:"fenceAgents"`     // where fence agents are; "": where Debian puts them
}

// certificateLife is how long a new certificate of a node holds; 0: as long as usual.
func (c *Config) certificateLife() time.Duration { return c.Test.CertificateLife }

// LogConfig says where the log goes.
type LogConfig struct {
	Level  string `yaml:"level"`  // debug, info, warn or error
	Syslog bool   `yaml:"syslog"` // to the local syslog too
}

// DefaultConfigPath is where a node's configuration lies.
const DefaultConfigPath = "/etc/redoubt/redoubtd.yaml"

// LoadConfig reads the file at path, fills in the defaults and checks the result. A missing file at the default path is an empty one.
func LoadConfig(path string) (Config, error) {
	var c Config
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) && path == DefaultConfigPath {
		err = nil
	}
	if err != nil {
		return c, fault.Errorf(fault.Invalid, "configuration of this node: %w", err)
	}
	dec := yaml.NewDecoder(bytes.NewReader(b))
	dec.KnownFields(true)
	if err := dec.Decode(&c); err != nil && !errors.Is(err, io.EOF) {
		return c, fault.Errorf(fault.Invalid, "configuration file %s: %w", path, err)
	}
	if err := c.fill(); err != nil {
		return c, err
	}
	if err := c.check(); err != nil {
		return c, fault.Errorf(fault.Invalid, "configuration file %s: %w", path, err)
	}
	return c, nil
}

func (c *Config) fill() error {
	host, err := os.Hostname()
	if err != nil && (c.Node == "" || c.Host == "") {
		return fault.Errorf(fault.Invalid, "this host has no name; set node and host in the configuration: %w", err)
	}
	def := func(s *string, value string) {
		if *s == "" {
			*s = value
		}
	}
	short, _, _ := bytes.Cut([]byte(host), []byte("."))
	if c.Node == "" {
		c.Node = cluster.NodeName(short)
	}
	def(&c.Host, host)
	def(&c.Data, "/var/lib/redoubt")
	def(&c.Run, "/run/redoubt")
	def(&c.Logs, "/var/log/redoubt")
	def(&c.Etc, "/etc/redoubt")
	def(&c.Listen.API, fmt.Sprintf(":%d", cluster.PortAPI))
	def(&c.Log.Level, "info")
	def(&c.OnUnkillable, "watchdog")
	if c.Cgroup == "" {
		mounts, err := os.ReadFile("/proc/self/mountinfo")
		if err != nil {
			return fault.Errorf(fault.Internal, "find the cgroup file system: %w", err)
		}
		mount, err := proc.Mountpoint(string(mounts))
		if err != nil {
			return err
		}
		c.Cgroup = filepath.Join(mount, "redoubt")
	}
	if c.Types == nil {
		c.Types = []string{filepath.Join(c.Etc, "types"), "/usr/lib/redoubt/types"}
	}
	return nil
}

func (c *Config) check() error {
	var errs []error
	if err := cluster.CheckName("node", string(c.Node)); err != nil {
		errs = append(errs, err)
	}
	for name, dir := range map[string]string{"dataDir": c.Data, "runDir": c.Run, "logDir": c.Logs, "etcDir": c.Etc} {
		if !filepath.IsAbs(dir) {
			errs = append(errs, fmt.Errorf("%s %q is not an absolute path", name, dir))
		}
	}
	if c.Cgroup != "" && !filepath.IsAbs(c.Cgroup) {
		errs = append(errs, fmt.Errorf("cgroup %q is not an absolute path", c.Cgroup))
	}
	if _, _, err := net.SplitHostPort(c.Listen.API); err != nil {
		errs = append(errs, fmt.Errorf("listen.api %q: want ADDRESS:PORT", c.Listen.API))
	}
	if at, err := netip.ParseAddrPort(c.Metrics); c.Metrics != "" && (err != nil || !at.Addr().IsLoopback()) {
		errs = append(errs, fmt.Errorf("metrics %q: want a loopback address and a port, such as 127.0.0.1:7410: what is served there is not protected", c.Metrics))
	}
	if _, err := level(c.Log.Level); err != nil {
		errs = append(errs, err)
	}
	if c.Methods < 0 {
		errs = append(errs, fmt.Errorf("methods %d: want how many callback methods run at once, or 0 for as many as suit the processors", c.Methods))
	}
	switch c.OnUnkillable {
	case "report", "watchdog", "reboot":
	default:
		errs = append(errs, fmt.Errorf("onUnkillable %q: want report, watchdog or reboot", c.OnUnkillable))
	}
	return errors.Join(errs...)
}

// Socket is where the API listens for local callers.
func (c *Config) Socket() string { return filepath.Join(c.Run, "api.sock") }

// services is the cgroup of everything that ends with this node's lease.
func (c *Config) services() string { return filepath.Join(c.Cgroup, "services") }
