using System;
using NasCore;
using NasCore.Io;
using NasCore.Volumes;
using Xunit;

namespace NasCoreTests.Fuse;

/// <summary>The engine itself below the kernel, on a fresh volume in memory.</summary>
public sealed class EngineMountTests : IDisposable
{
    readonly MemoryBlockDevice _device = new(12L << 30);
    readonly HammerFs _fs;

    public EngineMountTests()
    {
        Newfs.Format([_device], new NewfsOptions { Label = "fuse", FsId = Guid.NewGuid(), TimeUs = 0 });
        _fs = HammerFs.Open(VolumeSet.Open([_device]), new HammerFsOptions { Time = TimeProvider.System });
    }

    public void Dispose() => _fs.Dispose();

    void RunScript(string script)
    {
        using var mount = new TestMount(_fs);
        mount.Run(script);
        Assert.False(_fs.Health.IsCritical, _fs.Health.Message);
        Assert.Empty(mount.Log);
    }

    [Fact]
    public void Engine_serves_the_calls_of_linux() => RunScript(PosixScripts.Calls);

    [Fact]
    public void Engine_checks_permissions_of_other_users() => RunScript(PosixScripts.Permissions);

    [Fact]
    public void Engine_keeps_acls() => RunScript(PosixScripts.Acls);

    [Fact]
    public void Engine_keeps_a_tree_of_files_as_written() => RunScript("""
        cp -a /usr/share/zoneinfo $D/tree; diff -r --no-dereference /usr/share/zoneinfo $D/tree
        mkdir $D/old; mv $D/tree $D/old/; (cd $D; tar cf - old | tar xf - -C .. 2>/dev/null; true)
        for i in $(seq 300); do echo $i > $D/n$i; done; rm -r $D/old; test "$(ls $D | wc -l)" = 300; sync $D
        """);
}
