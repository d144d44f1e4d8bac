//go:build peers

// Package peers names what `make bench` holds railhead against and builds from source.
package peers

import _ "github.com/intel/sriov-cni/cmd/sriov"
