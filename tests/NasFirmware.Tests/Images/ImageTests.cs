using System;
using System.Diagnostics;
using System.IO;
using NasTesting;
using Xunit;

namespace NasFirmware.Tests.Images;

/// <summary>
/// The builder of the card's images, as far as it goes without a root tree of Debian: the definitions, and the
/// assembler with a small tree. The whole image is built by scripts/test-full.sh.
/// </summary>
public sealed class ImageTests : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("nas-image-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>Runs a script of bash in the test's folder: its exit code and what it printed.</summary>
    (int Code, string Output) Run(string script)
    {
        var start = new ProcessStartInfo("bash", ["-c", "set -euo pipefail; exec 2>&1\n" + script])
        {
            WorkingDirectory = _folder, RedirectStandardOutput = true,
        };
        start.Environment["IMAGES"] = Path.Combine(GoldenData.RepositoryRoot, "images");
        start.Environment["PYTHONDONTWRITEBYTECODE"] = "1";
        start.Environment["PATH"] += ":/usr/sbin:/sbin";
        using Process process = Process.Start(start)!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output);
    }

    void Good(string script)
    {
        (int code, string output) = Run(script);
        Assert.True(code == 0, output);
    }

    [Fact]
    public void Definitions_of_all_boards_are_without_mistakes()
    {
        Good("python3 $IMAGES/tool/image.py check");
        (_, string boards) = Run("python3 $IMAGES/tool/image.py boards");
        Assert.Equal("pi3 pi4 pi5 zero2w\n", boards);
    }

    [Theory]
    [InlineData("echo '[kernel]' >>boards/pi3.toml", "unknown section [kernel]")]
    [InlineData("sed -i 's/^title/titel/' boards/pi3.toml", "unknown key 'titel' in [board]")]
    [InlineData("sed -i '/^title/d' boards/pi3.toml", "[board] title is missing")]
    [InlineData("sed -i 's/^disk-id.*/disk-id = \"xyz\"/' boards/pi3.toml", "'xyz' is not allowed there")]
    [InlineData("sed -i 's/^disk-id.*/disk-id = [\"4e615033\"]/' boards/pi3.toml", "disk-id is to be a text")]
    [InlineData("sed -i 's/^name.*/name = \"pi9\"/' boards/pi3.toml", "name is 'pi9', the file's is 'pi3'")]
    [InlineData("echo '=' >>boards/pi3.toml", "boards/pi3.toml: ")]
    [InlineData("rm boards/pi3.toml", "there is no board 'pi3'")]
    public void Mistake_in_a_definition_is_refused_with_its_place(string mistake, string says)
    {
        (int code, string output) = Run($"""
            mkdir -p boards/common
            cp $IMAGES/*.toml boards/
            cp $IMAGES/common/card.toml boards/common/
            {mistake}
            python3 $IMAGES/tool/image.py --definitions boards variables pi3
            """);
        Assert.NotEqual(0, code);
        Assert.Contains(says, output, StringComparison.Ordinal);
        Assert.DoesNotContain("Traceback", output, StringComparison.Ordinal);
    }

    const string SmallTrees = """
        mkdir -p boards/common
        cp $IMAGES/pi3.toml boards/
        sed -e 's/^boot = .*/boot = "144M"/; s/^root = .*/root = "48M"/; s/^state = .*/state = "16M"/' \
            $IMAGES/common/card.toml >boards/common/card.toml
        # The same tree twice, made in different order, at different times and places.
        make_tree() {
            local name; mkdir -p $1/root $1/boot
            for name in $2; do
                mkdir -p $1/root/$name "$1/boot/$name"
                echo "file in $name" >"$1/root/$name/a file with blanks"
                touch -d @1600000000 "$1/root/$name/a file with blanks"
                cp "$1/root/$name/a file with blanks" $1/boot/$name/file.txt
            done
            head -c 3000000 /dev/zero | tr '\0' 'x' >$1/root/usr/large
            chmod 4755 $1/root/usr/large
            ln -sfn usr/large $1/root/link
            for ((i = 0; i < 700; i++)); do : >"$1/root/var/file-with-a-rather-long-name-$i"; done
            mkfifo -m 600 $1/root/pipe
            chmod 700 $1/root/etc
            chmod 755 $1/root
            : >$1/packages
            touch $1/root/* -h
        }
        assemble() {
            python3 $IMAGES/tool/image.py --definitions boards assemble pi3 --root $1/root --boot $1/boot \
                --epoch 1700000000 --packages $1/packages --image $1/image --manifest $1/manifest
        }
        umask 022

        """;

    [Fact]
    public void Small_image_has_the_same_bytes_from_the_same_tree_wherever_it_was_made()
    {
        Good(SmallTrees + """
            make_tree one "etc usr var"
            assemble one
            mkdir -p else/where
            make_tree else/where/two "var usr etc"
            assemble else/where/two
            cmp one/image else/where/two/image
            cmp one/manifest else/where/two/manifest
            """);
    }

    [Fact]
    public void Small_image_holds_the_tree_and_the_manifest_names_all_of_it()
    {
        Good(SmallTrees + """
            make_tree one "etc usr var"
            assemble one
            [ "$(sfdisk -d one/image | sed -n 's/^label-id: //p')" = 0x4e615033 ]
            sfdisk -q --verify one/image | tee verify; ! grep -iE 'overlap|error' verify
            part() { dd if=one/image of=p$1 bs=1M skip=$2 count=$3 status=none; }
            part 1 4 144; part 2 148 48; part 3 196 16
            fsck.vfat -n p1 >/dev/null
            e2fsck -fn p2; e2fsck -fn p3
            [ "$(blkid -o value -s LABEL p1 p2 p3 | paste -sd ' ')" = "NASHAMMER nashammer-root nashammer-state" ]
            mcopy -i p1 ::/usr/file.txt - | cmp - one/boot/usr/file.txt
            debugfs -R 'cat "/etc/a file with blanks"' p2 2>/dev/null | cmp - 'one/root/etc/a file with blanks'
            debugfs -R 'cat /usr/large' p2 2>/dev/null | cmp - one/root/usr/large
            debugfs -R 'stat /usr/large' p2 2>/dev/null | tee stat
            grep -q 'Mode:  04755' stat
            debugfs -R 'stat "/etc/a file with blanks"' p2 2>/dev/null | grep -q 'mtime: 0x5f5e1000'
            # What was made later than the moment of the image shows that moment.
            [ "$(grep -c 'time: 0x6553f100' stat)" = 4 ]
            grep -v '^#' one/manifest | cut -f 1,2,3,7 | sed "s/\t/ /g" >lines
            [ "$(grep -c '^2 f 0644 /var/file-with-a-rather' lines)" = 700 ]
            grep -qx '2 d 0700 /etc' lines
            grep -qx '2 f 4755 /usr/large' lines
            grep -qx '2 p 0600 /pipe' lines
            grep -qx '1 f - /etc/file.txt' lines
            [ "$(awk -F'\t' '$7 == "/link" { print $2, $6 }' one/manifest)" = "l usr/large" ]
            [ "$(awk -F'\t' '$7 == "/usr/large" { print $6 }' one/manifest)" = \
                "$(sha256sum one/root/usr/large | cut -d' ' -f1)" ]
            """);
    }

    [Fact]
    public void Scripts_of_the_card_are_scripts_that_their_shell_understands()
    {
        Good("""
            for script in $IMAGES/root/usr/lib/nashammer/card-* $IMAGES/tool/tree.sh; do bash -n $script; done
            for script in $IMAGES/root/etc/initramfs-tools/hooks/nashammer \
                $IMAGES/root/etc/initramfs-tools/scripts/local-bottom/nashammer \
                $IMAGES/root/etc/initramfs/post-update.d/nashammer; do sh -n $script; test -x $script; done
            """);
    }

    [Fact]
    public void Card_gets_its_updates_from_the_suites_of_its_definition()
    {
        Good("""
            . $IMAGES/tool/tree.sh
            tree() { mkdir -p $1/etc/apt/sources.list.d $1/usr/share/doc/apt/examples; }
            tree lines; tree paragraphs; tree nothing
            printf 'deb http://a/x old main contrib\ndeb http://a/s old-security main contrib\n' \
                >lines/usr/share/doc/apt/examples/sources.list
            printf '# %s\nTypes: deb\nURIs: http://a/%s\nSuites: %s\nComponents: main contrib\n\n' \
                1 x "new new-updates" 2 s new-security >paragraphs/usr/share/doc/apt/examples/debian.sources
            suite=old kernel_suite=old; write_card_sources lines
            [ "$(cat lines/etc/apt/sources.list)" = "deb http://a/x old main non-free-firmware
            deb http://a/s old-security main non-free-firmware" ]
            [ -z "$(ls lines/etc/apt/sources.list.d)" ]
            suite=new kernel_suite=new-backports; write_card_sources paragraphs
            sources=paragraphs/etc/apt/sources.list.d
            [ "$(grep -h ^Suites: $sources/debian.sources $sources/kernel.sources | cut -d' ' -f2- | paste -sd, )" = \
                "new new-updates,new-security,new-backports" ]
            [ "$(grep -h ^Components: $sources/* | sort -u)" = "Components: main non-free-firmware" ]
            ! write_card_sources nothing 2>why
            grep -q 'no example' why
            """);
    }

    [Fact]
    public void Overlays_of_the_definitions_can_be_laid_over_a_device_tree()
    {
        Good("""
            for definition in $IMAGES/*.toml; do
                eval "$(python3 $IMAGES/tool/image.py variables $(basename $definition .toml))"
                for name in $overlays; do
                    grep -qx "dtoverlay=$name" <<<"$config"
                    dtc -q -@ -I dts -O dtb -o $name.dtbo $IMAGES/overlays/$name.dts
                done
            done
            # What of the Pi 5's device tree is asked for, at the place where it is.
            cat >board.dts <<'END'
            /dts-v1/;
            / {
                aliases { };
                axi { pcie@1000120000 { pci@0,0 { dev@0,0 { pci-ep-bus@1 {
                    rp1_i2c1: i2c@40074000 { status = "disabled"; };
                    rp1_gpio: pinctrl@400d0000 { };
                }; }; }; }; };
                gio_aon: gpio@7d517c00 { };
            };
            END
            dtc -q -@ -I dts -O dtb -o board.dtb board.dts
            fdtoverlay -i board.dtb -o whole.dtb nashammer-pi5.dtbo
            [ "$(fdtget whole.dtb i2c1 status)" = okay ]
            bus=/axi/pcie@1000120000/pci@0,0/dev@0,0/pci-ep-bus@1
            [ "$(fdtget whole.dtb i2c1 pinctrl-0)" = \
                "$(fdtget whole.dtb $bus/pinctrl@400d0000/nashammer-i2c1-state phandle)" ]
            [ "$(fdtget whole.dtb /leds/led-act label)" = ACT ]
            """);
    }
}
