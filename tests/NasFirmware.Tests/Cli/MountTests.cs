using System;
using System.Diagnostics;
using System.IO;
using NasCore.Fuse.Session;
using NasFirmware.Cli;
using Xunit;

namespace NasFirmware.Tests.Cli;

/// <summary>mount and umount from the outside, on a volume in an image file.</summary>
public sealed class MountTests : IDisposable
{
    readonly string _directory = Directory.CreateTempSubdirectory("nashammer-mount-").FullName;
    readonly string _image, _place;

    public MountTests()
    {
        _image = Path.Combine(_directory, "image");
        _place = Path.Combine(_directory, "place");
        Directory.CreateDirectory(_place);
        using (FileStream file = File.Create(_image)) file.SetLength(256 << 20);
        Good("newfs", "-f", "-L", "mount", "-u", "8m", _image);
    }

    public void Dispose()
    {
        if (FuseMount.FindOurs(_place) is not null) NashammerProcess.Run("umount", _place);
        Directory.Delete(_directory, recursive: true);
    }

    static NashammerRun Good(params string[] arguments)
    {
        NashammerRun run = NashammerProcess.Run(arguments);
        Assert.True(run.ExitCode == 0, $"exit {run.ExitCode}: {run.Output}{run.Error}");
        return run;
    }

    static string Bad(params string[] arguments)
    {
        NashammerRun run = NashammerProcess.Run(arguments);
        Assert.True(run.ExitCode != 0, $"no error: {run.Output}");
        return run.Error;
    }

    [Fact]
    public void Mounted_volume_is_refused_a_second_time_and_kept_over_umount()
    {
        Good("mount", _image, _place);
        File.WriteAllText(Path.Combine(_place, "f"), "written");
        Assert.Contains("mounted on", Bad("mount", _image, _place), StringComparison.Ordinal);
        string other = Path.Combine(_directory, "other");
        Directory.CreateDirectory(other);
        Assert.Contains(_place, Bad("mount", "-o", "ro", _image, other), StringComparison.Ordinal);
        Good("umount", _place);
        Assert.False(MountPidFile.IsServed(MountSource.Of([_image])));
        Assert.Contains("clean", Good("check", "--data", _image).Output, StringComparison.Ordinal);

        Good("mount", "-o", "ro", _image, _place);
        Assert.Equal("written", File.ReadAllText(Path.Combine(_place, "f")));
        Assert.ThrowsAny<IOException>(() => File.WriteAllText(Path.Combine(_place, "g"), "x"));
        Good("umount", _place);
        Assert.Contains("no HAMMER file system", Bad("umount", _place), StringComparison.Ordinal);
    }

    [Fact]
    public void Killed_server_leaves_a_mount_point_that_the_next_mount_replaces()
    {
        Good("mount", _image, _place);
        string file = Path.Combine(_place, "f");
        using (FileStream stream = File.Create(file))
        {
            stream.Write("durable"u8);
            stream.Flush(flushToDisk: true);
        }
        int pid = int.Parse(File.ReadAllText(MountSource.PidPath(MountSource.Of([_image]))),
            System.Globalization.CultureInfo.InvariantCulture);
        using (Process server = Process.GetProcessById(pid))
        {
            server.Kill();
            server.WaitForExit();
        }
        Assert.ThrowsAny<IOException>(() => File.ReadAllText(file));
        Assert.Contains("dead mount", Good("mount", _image, _place).Error, StringComparison.Ordinal);
        Assert.Equal("durable", File.ReadAllText(file));
        Good("umount", _place);
    }

    [Fact]
    public void Mount_errors_are_the_callers()
    {
        Assert.Contains("'r0'", Bad("mount", "-o", "r0", _image, _place), StringComparison.Ordinal);
        Assert.Contains("not a directory", Bad("mount", _image, _image), StringComparison.Ordinal);
        Assert.Contains("signature", Bad("mount", NotAVolume(), _place), StringComparison.Ordinal);
        Good("mount", "--check", "-o", "defaults,nofail", _image, _place);
    }

    string NotAVolume()
    {
        string path = Path.Combine(_directory, "zeros");
        using FileStream file = File.Create(path);
        file.SetLength(64 << 20);
        return path;
    }

    [Fact]
    public void Helper_arguments_become_those_of_the_verb()
    {
        Assert.Equal(["mount", "-o", "noatime,nofail", "/dev/sda:/dev/sdb", "/mnt"],
            MountHelper.Rewrite("/sbin/mount.nashammer", ["/dev/sda:/dev/sdb", "/mnt", "-n", "-o", "noatime,nofail"]));
        Assert.Equal(["mount", "--check", "-o", "ro", "/dev/sda", "/mnt"],
            MountHelper.Rewrite("mount.nashammer", ["/dev/sda", "/mnt", "-fr", "-t", "nashammer"]));
        Assert.Equal(["umount", "/mnt", "-l"], MountHelper.Rewrite("umount.nashammer", ["/mnt", "-l", "-t", "x"]));
        Assert.Equal(["check", "x"], MountHelper.Rewrite("/usr/bin/nashammer", ["check", "x"]));
    }
}
