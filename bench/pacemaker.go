package main

import (
	"context"
	"crypto/rand"
	"encoding/xml"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"redoubt/internal/fault"
	"redoubt/internal/lab"
)

// pacemaker is Pacemaker with Corosync, both as Debian has them, with one setting of the totem token. It has no fencing devices, as the other systems
// have none; a partition without a majority stops its services (no-quorum-policy=stop, the default).
type pacemaker struct {
	token  int // ms; 0: the default
	answer string
	agents string // directory that stands for /usr/lib/ocf/resource.d on the nodes
	work   string // for files that the nodes read
	lab    *lab.Lab
}

const agentDir = "/usr/lib/ocf/resource.d"

func (s *pacemaker) options() lab.Options {
	return lab.Options{Bare: true, NoDaemon: true, Private: []string{"/etc/corosync", "/etc/pacemaker", "/var/lib/corosync", "/var/lib/pacemaker"}}
}

func (s *pacemaker) corosyncConf() string {
	var b strings.Builder
	b.WriteString("totem {\n\tversion: 2\n\tcluster_name: bench\n\ttransport: knet\n\tcrypto_cipher: aes256\n\tcrypto_hash: sha256\n")
	if s.token > 0 {
		fmt.Fprintf(&b, "\ttoken: %d\n\ttoken_coefficient: 0\n\tconsensus: %d\n", s.token, s.token*6/5)
	}
	b.WriteString("}\nsystem {\n\tmove_to_root_cgroup: no\n}\n")
	b.WriteString("logging {\n\tto_stderr: no\n\tto_syslog: no\n\tto_logfile: yes\n\tlogfile: /var/log/corosync/corosync.log\n\ttimestamp: hires\n}\n")
	b.WriteString("quorum {\n\tprovider: corosync_votequorum\n}\nnodelist {\n")
	for i, n := range s.lab.Nodes() {
		fmt.Fprintf(&b, "\tnode {\n\t\tname: %s\n\t\tnodeid: %d\n", n, i+1)
		for ring, network := range []string{"ic1", "ic2"} {
			a, _ := s.lab.Address(n, network)
			fmt.Fprintf(&b, "\t\tring%d_addr: %s\n", ring, a)
		}
		b.WriteString("\t}\n")
	}
	b.WriteString("}\n")
	return b.String()
}

func (s *pacemaker) up(ctx context.Context, l *lab.Lab) error {
	s.lab = l
	corosyncKey, pacemakerKey := make([]byte, 256), make([]byte, 256)
	_, _ = rand.Read(corosyncKey)
	_, _ = rand.Read(pacemakerKey)
	for _, n := range l.Nodes() {
		etc := filepath.Join(l.Disk(n), "private", "etc")
		for path, content := range map[string][]byte{
			"corosync/corosync.conf": []byte(s.corosyncConf()), "corosync/authkey": corosyncKey, "pacemaker/authkey": pacemakerKey,
		} {
			if err := os.WriteFile(filepath.Join(etc, path), content, 0o400); err != nil {
				return fault.Errorf(fault.Internal, "configuration of %s: %w", n, err)
			}
		}
		if err := giveTo(filepath.Join(etc, "pacemaker/authkey"), "hacluster", "haclient"); err != nil {
			return err
		}
		if err := s.boot(ctx, n); err != nil {
			return err
		}
	}
	if err := s.awaitOnline(ctx); err != nil {
		return err
	}
	resources := filepath.Join(s.work, fmt.Sprintf("resources-%d.xml", s.token))
	if err := os.WriteFile(resources, []byte(resourcesXML(s.answer, time.Second)), 0o644); err != nil {
		return fault.Errorf(fault.Internal, "resources: %w", err)
	}
	for _, argv := range [][]string{
		{"crm_attribute", "-t", "crm_config", "-n", "stonith-enabled", "-v", "false"},
		{"crm_attribute", "-t", "rsc_defaults", "-n", "resource-stickiness", "-v", "100"},
		{"cibadmin", "--replace", "-o", "resources", "--xml-file", resources},
	} {
		if _, err := l.Output(ctx, "n1", argv...); err != nil {
			return err
		}
	}
	return nil
}

func giveTo(path, owner, group string) error {
	u, err := user.Lookup(owner)
	if err != nil {
		return fault.Errorf(fault.NotFound, "give %s to %s: %w", path, owner, err)
	}
	g, err := user.LookupGroup(group)
	if err != nil {
		return fault.Errorf(fault.NotFound, "give %s to group %s: %w", path, group, err)
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(g.Gid)
	if err := os.Chown(path, uid, gid); err != nil {
		return fault.Errorf(fault.Internal, "give %s to %s: %w", path, owner, err)
	}
	return nil
}

func (s *pacemaker) boot(ctx context.Context, node string) error {
	for _, argv := range [][]string{
		{"mount", "--bind", s.agents, agentDir},
		{"install", "-d", "-o", "hacluster", "-g", "haclient", "-m", "750", "/run/crm"},
		{"install", "-d", "-m", "755", "/run/resource-agents"},
	} {
		if _, err := s.lab.Output(ctx, node, argv...); err != nil {
			return err
		}
	}
	if err := launch(s.lab, node, "corosync.out", "corosync", "-f"); err != nil {
		return err
	}
	for { // Pacemaker does not wait for Corosync long
		if _, err := s.lab.Output(ctx, node, "corosync-cfgtool", "-s"); err == nil {
			break
		}
		if err := pause(ctx, lookAgain); err != nil {
			return fault.Errorf(fault.Timeout, "corosync on %s does not answer: %w", node, err)
		}
	}
	return launch(s.lab, node, "pacemakerd.out", "env", "PCMK_logfile=/var/log/pacemaker/pacemaker.log", "PCMK_logfacility=none", "pacemakerd", "-f")
}

// crmStatus is the part of crm_mon's report that is looked at.
type crmStatus struct {
	DC struct {
		Name string `xml:"name,attr"`
	} `xml:"summary>current_dc"`
	Nodes []struct {
		Name    string `xml:"name,attr"`
		Online  bool   `xml:"online,attr"`
		Pending bool   `xml:"pending,attr"`
		Unclean bool   `xml:"unclean,attr"`
	} `xml:"nodes>node"`
	Resources []struct {
		ID     string `xml:"id,attr"`
		Role   string `xml:"role,attr"`
		Failed bool   `xml:"failed,attr"`
		Nodes  []struct {
			Name string `xml:"name,attr"`
		} `xml:"node"`
	} `xml:"resources>group>resource"`
}

func (s *pacemaker) status(ctx context.Context) (st crmStatus, missing string) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	out, err := s.lab.Output(ctx, "n1", "crm_mon", "-1", "--output-as=xml")
	if err != nil {
		return st, err.Error()
	}
	if err := xml.Unmarshal([]byte(out), &st); err != nil {
		return st, "crm_mon's report: " + err.Error()
	}
	online := 0
	for _, n := range st.Nodes {
		if n.Online && !n.Pending && !n.Unclean {
			online++
		}
	}
	if st.DC.Name == "" || online < len(s.lab.Nodes()) {
		return st, fmt.Sprintf("%d nodes are online, the DC is %q", online, st.DC.Name)
	}
	return st, ""
}

func (s *pacemaker) awaitOnline(ctx context.Context) error {
	for {
		_, missing := s.status(ctx)
		if missing == "" {
			return nil
		}
		if err := pause(ctx, 2*lookAgain); err != nil {
			return fault.Errorf(fault.Timeout, "the nodes of Pacemaker do not come online: %s: %w", missing, err)
		}
	}
}

func (s *pacemaker) whole(ctx context.Context) (active, missing string) {
	st, missing := s.status(ctx)
	if missing != "" {
		return "", missing
	}
	if len(st.Resources) != 2 {
		return "", fmt.Sprintf("%d of 2 resources are known", len(st.Resources))
	}
	for _, r := range st.Resources {
		if r.Role != "Started" || r.Failed || len(r.Nodes) != 1 || active != "" && r.Nodes[0].Name != active {
			return "", fmt.Sprintf("resource %s is %s on %v", r.ID, r.Role, r.Nodes)
		}
		active = r.Nodes[0].Name
	}
	out, err := s.lab.Output(ctx, st.DC.Name, "crmadmin", "-S", st.DC.Name)
	if err != nil {
		return "", err.Error()
	}
	if !strings.Contains(out, "S_IDLE") {
		return "", "the DC is not idle: " + strings.TrimSpace(out)
	}
	return active, ""
}

func (s *pacemaker) move(ctx context.Context, from, to string) error {
	_, err := s.lab.Output(ctx, from, "crm_resource", "--move", "-r", "web", "--node", to)
	return err
}

func (s *pacemaker) moved(ctx context.Context, to string) error {
	_, err := s.lab.Output(ctx, to, "crm_resource", "--clear", "-r", "web")
	return err
}

func (s *pacemaker) daemon(p process) bool {
	return p.name == "corosync" || strings.HasPrefix(p.name, "pacemaker")
}

func (s *pacemaker) trials() []trial {
	all := []trial{
		{trialDeath, full, nodeDies},
		{trialMove, full, planned},
		{trialProcess, full, processDies},
		{trialProcess10, full, s.slowMonitor},
		{trialCutIC, half, partition("ic1", "ic2")},
		{trialCutAll, half, partition()},
		{trialKilled, half, daemonsFail(killedAll)},
		{trialFrozen, half, daemonsFail(frozenAll)},
	}
	if s.token == 0 { // moves and monitors do not know of the token; once is enough
		return all
	}
	return slices.DeleteFunc(all, func(t trial) bool { return t.name == trialMove || t.name == trialProcess || t.name == trialProcess10 })
}
